"""A call of a plugin in a form in which it can be kept and made again, without what nobody else should read."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from kernel.tap.watch import FailedCall

LENGTH_MAX: Final = 300_000
HIDDEN: Final = "(not shown)"
# Of variables, headers and fields: what a login or a signature could be made from.
_SECRET: Final = re.compile(
    r"pass|secret|token|api_?key|private|authorization|cookie|signature", re.IGNORECASE
)


def make_recording(call: object) -> dict[str, Any] | None:
    """`{"name", "payload", "transcript"}`; None for a call that never began or is too large to be kept."""
    if not isinstance(call, FailedCall) or len(call.payload) > LENGTH_MAX:
        return None
    recording = {
        "name": call.name,
        "payload": hide_secrets(orjson.loads(call.payload)),
        "transcript": [_hide_in_question(question) for question in call.transcript.as_data()],
    }
    return recording if len(orjson.dumps(recording)) <= LENGTH_MAX else None


def hide_secrets(value: Any) -> Any:
    """The same with every value hidden whose name sounds like a secret."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if isinstance(inner, str) and _SECRET.search(key) else hide_secrets(inner)
            for key, inner in value.items()
        }
    return [hide_secrets(inner) for inner in value] if isinstance(value, list) else value


def _hide_in_question(question: dict[str, Any]) -> dict[str, Any]:
    """Arguments and answers are often JSON in a text."""
    arguments = [_hide_in_text(part) for part in question["arguments"]]
    is_named = bool(arguments) and isinstance(arguments[0], str) and _SECRET.search(arguments[0])
    if is_named and question["function"].startswith(("variables.", "cache-api.", "request-context.")):
        return {**question, "arguments": [arguments[0], *(HIDDEN for _ in arguments[1:])], "answer": HIDDEN}
    if "answer" in question:
        return {**question, "arguments": arguments, "answer": _hide_in_text(question["answer"])}
    return {**question, "arguments": arguments}


def _hide_in_text(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        data = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    hidden = hide_secrets(data)
    # As it was written, so that the same question is the same text when the call is made again.
    return value if hidden == data else orjson.dumps(hidden).decode()

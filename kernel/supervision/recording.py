"""A call of a plugin in a form in which it can be kept and made again, without what nobody else should read."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from kernel.tap.watch import FailedCall
from kernel.tap.wire import PluginDataError, read_json

LENGTH_MAX: Final = 300_000
HIDDEN: Final = "(not shown)"
# Of variables, headers and fields: what a login or a signature could be made from.
_SECRET: Final = re.compile(
    r"pass|pwd|secret|token|api[-_]?key|private|auth|bearer|credential|cookie|session|signature|hmac",
    re.IGNORECASE,
)
# A query may hold a token, whatever it is called.
_QUERY: Final = re.compile(r"(https?://[^\s\"'?#]+)\?[^\s\"'#]*")
# Interfaces whose first argument names what the others and the answer are.
_NAMED: Final = ("variables.", "cache-api.", "request-context.")


def make_recording(call: object) -> dict[str, Any] | None:
    """`{"name", "payload", "transcript"}`; None for a call that never began or is too large to be kept. Raises
    PluginDataError for a payload that is none."""
    if not isinstance(call, FailedCall) or len(call.payload) > LENGTH_MAX:
        return None
    recording = {
        "name": call.name,
        "payload": hide_secrets(_hide_drafts(read_json(call.payload))),
        "transcript": [_hide_in_question(question) for question in call.transcript.as_data()],
    }
    return recording if len(orjson.dumps(recording)) <= LENGTH_MAX else None


def sounds_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def hide_secrets(value: Any) -> Any:
    """The same with everything hidden whose name sounds like a secret, also in JSON that stands in a text."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if sounds_secret(key) and inner is not None else hide_secrets(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [hide_secrets(inner) for inner in value]
    return _hide_in_text(value) if isinstance(value, str) else value


def _hide_drafts(payload: Any) -> Any:
    """What an item says that is not published is for those who may read it, and not for whoever mends a plugin."""
    if not isinstance(payload, dict):
        return payload
    shown = dict(payload)
    if isinstance(payload.get("item"), dict):
        shown["item"] = _hide_draft(payload["item"])
    if isinstance(payload.get("items"), list):
        shown["items"] = [_hide_draft(item) for item in payload["items"]]
    return shown


def _hide_draft(item: Any) -> Any:
    if not isinstance(item, dict) or item.get("status") != 0:
        return item
    fields = {name: {**field, "value": HIDDEN} for name, field in item.get("fields", {}).items()}
    return {**item, "title": HIDDEN, "fields": fields}


def _hide_in_question(question: dict[str, Any]) -> dict[str, Any]:
    arguments = question["arguments"]
    is_named = bool(arguments) and isinstance(arguments[0], str) and _SECRET.search(arguments[0])
    if is_named and question["function"].startswith(_NAMED):
        return {**question, "arguments": [arguments[0], *(HIDDEN for _ in arguments[1:])], "answer": HIDDEN}
    shown = {**question, "arguments": [hide_secrets(part) for part in arguments]}
    if "answer" in question:
        shown["answer"] = hide_secrets(question["answer"])
    return shown


def _hide_in_text(text: str) -> str:
    if not text.startswith(("{", "[")):
        return _QUERY.sub(rf"\1?{HIDDEN}", text)
    try:
        data = read_json(text)
    except PluginDataError:
        return HIDDEN
    hidden = hide_secrets(data)
    # As it was written, so that the same question is the same text when the call is made again.
    return text if hidden == data else orjson.dumps(hidden).decode()

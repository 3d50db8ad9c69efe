"""Makes a call again that a site recorded when it failed: `trovato plugin replay ID --test` writes a test with it.

replay(blog, Path("replay_0190a.json"))
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from trovato_sdk.dispatch import Plugin
from trovato_sdk.kernel import CURRENT, Err

# In place of what sounded like a secret when the call was recorded.
HIDDEN: Final = "(not shown)"


class OtherQuestionError(AssertionError):
    """The plugin asks the kernel something that it did not ask when the call was recorded."""


class Recorded:
    """Stands in for every interface of the kernel, and answers what was answered then."""

    def __init__(self, questions: list[dict[str, Any]]) -> None:
        self._left = list(questions)

    def __getattr__(self, interface: str) -> "_Interface":
        return _Interface(self, interface.replace("_", "-"))

    def answer(self, function: str, arguments: tuple[Any, ...]) -> Any:
        """Questions may come in another order than then, as long as they are the same."""
        for question in self._left:
            if question["function"] == function and _is_same(question["arguments"], arguments):
                self._left.remove(question)
                if "refusal" in question:
                    raise Err(json.dumps(question["refusal"]))
                return question["answer"]
        if function == "logging.log":
            return None
        raise OtherQuestionError(f"{function}{arguments} was not asked when this was recorded.")


class _Interface:
    def __init__(self, recorded: Recorded, name: str) -> None:
        self._recorded = recorded
        self._name = name

    def __getattr__(self, function: str) -> Callable[..., Any]:
        name = f"{self._name}.{function.replace('_', '-')}"
        return lambda *arguments: self._recorded.answer(name, arguments)


def _is_same(recorded: Sequence[Any], arguments: Sequence[Any]) -> bool:
    """Where something was hidden in the recording, the rest has to do."""
    return len(recorded) == len(arguments) and all(
        then == now or (isinstance(then, str) and HIDDEN in then)
        for then, now in zip(recorded, arguments, strict=True)
    )


def replay(plugin: ModuleType, recording: Path | Mapping[str, Any]) -> Any:
    """What the plugin answers now to the call that failed then. Raises TapFailedError when it fails again, and
    OtherQuestionError where the recording does not reach."""
    data = json.loads(recording.read_text(encoding="utf-8")) if isinstance(recording, Path) else recording
    token = CURRENT.set(Recorded(data["transcript"]))
    try:
        return json.loads(Plugin(plugin.__name__, plugin).invoke(data["name"], json.dumps(data["payload"])))
    finally:
        CURRENT.reset(token)

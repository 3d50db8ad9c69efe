"""What a plugin asked of the kernel in one call and was told: enough to let the call happen again elsewhere."""

from collections.abc import Sequence
from typing import Any, Final

from kernel.sandbox.host import HostError

# Of one call; what comes after is left out, and the transcript says so.
QUESTIONS_MAX: Final = 300
LENGTH_MAX: Final = 200_000


class Transcript:
    """Kept of every call, so noting is cheap, and bounded: what a plugin was told stays in memory as long as it."""

    __slots__ = ("_length", "_questions")

    def __init__(self) -> None:
        self._questions: list[tuple[str, Sequence[Any], Any]] = []
        self._length = 0

    def note(self, function: str, arguments: Sequence[Any], answer: Any) -> None:
        if self._length > LENGTH_MAX or len(self._questions) >= QUESTIONS_MAX:
            return
        for part in (*arguments, answer):
            if isinstance(part, str):
                self._length += len(part)
        if self._length <= LENGTH_MAX:
            self._questions.append((function, arguments, answer))

    def as_data(self) -> list[dict[str, Any]]:
        """`{"function", "arguments", "answer"}` each, in order; a refusal has "refusal" in place of the answer."""
        return [
            {"function": function, "arguments": list(arguments), **_show(answer)}
            for function, arguments, answer in self._questions
        ]


def _show(answer: Any) -> dict[str, Any]:
    if isinstance(answer, HostError):
        return {"refusal": {"code": answer.code, "message": answer.message}}
    return {"answer": answer}

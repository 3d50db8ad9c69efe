"""The functions that the kernel offers to plugins, and the one way in which they say no."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HostFunction:
    """One function of kernel.wit. `call(state, *arguments)` gets the state given to `Component.take`.

    A plain function answers at once, on the event loop, and must be quick; an `async` one may wait, and the
    plugin is suspended meanwhile. The answer's type follows kernel.wit: str, int, bool or None; for
    `result<_, string>` it is the good value, and HostError gives the other one.
    """

    interface: str
    name: str
    call: Callable[..., Any]

    @property
    def full_name(self) -> str:
        return f"{self.interface}.{self.name}"


class HostError(Exception):
    """A refusal that the plugin may see and handle."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def as_json(self) -> str:
        return json.dumps({"code": self.code, "message": self.message})

"""Reads kernel.wit, the one description of what crosses the boundary, into signatures."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

Kind = Literal[
    "",
    "string",
    "bool",
    "s32",
    "s64",
    "option<string>",
    "option<bool>",
    "option<s64>",
    "result<string, string>",
    "result<bool, string>",
]

WIT_FILE: Final = Path(__file__).with_name("kernel.wit")
WARM_UP: Final = "warm_up"

_COMMENT = re.compile(r"//[^\n]*")
_PACKAGE = re.compile(r"package\s+([\w:-]+)@([\d.]+)\s*;")
_INTERFACE = re.compile(r"interface\s+([\w-]+)\s*\{(.*?)\}", re.DOTALL)
_FUNCTION = re.compile(r"([\w-]+)\s*:\s*func\(([^)]*)\)\s*(?:->\s*([^;]+?))?\s*;")


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that a plugin may import; `params` are kinds in order."""

    interface: str
    name: str
    params: tuple[Kind, ...]
    result: Kind

    @property
    def full_name(self) -> str:
        return f"{self.interface}.{self.name}"

    @property
    def can_fail(self) -> bool:
        return self.result.startswith("result<")


@dataclass(frozen=True, slots=True)
class Contract:
    package: str
    version: str
    functions: tuple[Signature, ...]

    def qualify(self, interface: str) -> str:
        """The name under which a component imports the interface."""
        return f"{self.package}/{interface}@{self.version}"


def read_contract(path: Path = WIT_FILE) -> Contract:
    """Understands the part of WIT that the contract keeps to: flat interfaces of plain functions."""
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    package = _PACKAGE.search(text)
    if package is None:
        raise ValueError(f"{path} names no package with a version.")
    functions = [
        Signature(interface, name, _read_params(params), cast("Kind", result))
        for interface, body in _INTERFACE.findall(text)
        for name, params, result in _FUNCTION.findall(body)
    ]
    return Contract(package[1], package[2], tuple(functions))


def _read_params(text: str) -> tuple[Kind, ...]:
    return tuple(cast("Kind", part.split(":")[1].strip()) for part in text.split(",") if part.strip())

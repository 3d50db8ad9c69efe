"""Compares what a component exports with what kernel.wit says, and tells both in the words of WIT."""

from typing import Any, Final

from wasmtime import Engine as NativeEngine
from wasmtime.component import FuncType, ListType, OptionType, ResultType

EXPECTED: Final = {
    "describe": "describe() -> string",
    "invoke": "invoke(tap: string, payload: string) -> result<string, string>",
}


def find_export_problem(engine: NativeEngine, native: Any) -> str:
    """A sentence with what is expected and what is there; an empty text when they agree."""
    found = {name: _write_export(name, export.ty) for name, export in native.type.exports(engine).items()}
    if all(found.get(name) == signature for name, signature in EXPECTED.items()):
        return ""
    exported = ", ".join(found[name] for name in sorted(found)) or "nothing"
    return f"expected {' and '.join(EXPECTED.values())}, as in kernel.wit; it exports {exported}"


def _write_export(name: str, kind: Any) -> str:
    if not isinstance(kind, FuncType):
        return f"{name} (no function)"
    params = ", ".join(f"{param}: {_write_type(of)}" for param, of in kind.params)
    result = f" -> {_write_type(kind.result)}" if kind.result is not None else ""
    return f"{name}({params}){result}"


def _write_type(kind: Any) -> str:
    match kind:
        case None:
            return "_"
        case ResultType():
            return f"result<{_write_type(kind.ok)}, {_write_type(kind.err)}>"
        case OptionType():
            return f"option<{_write_type(kind.payload)}>"
        case ListType():
            return f"list<{_write_type(kind.element)}>"
        case _:
            return type(kind).__name__.removesuffix("Type").lower()

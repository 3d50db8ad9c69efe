"""Reads JSON that came from untrusted code: strictly, and never deeper than anything here walks."""

from typing import Any, Final

import orjson

from kernel.names import has_forbidden_text

MAX_DEPTH: Final = 64


class PluginDataError(ValueError):
    """What a plugin sent is not what it may send; the text says why, for the plugin's author."""


def read_json(data: bytes | str) -> Any:
    """Raises PluginDataError with a sentence: not JSON, NaN, a lone surrogate, a NUL, or nested too deep."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as mistake:
        raise PluginDataError(f"not valid JSON: {mistake}") from None
    if _needs_walk(data):
        _check_walking(value)
    return value


def _needs_walk(data: bytes | str) -> bool:
    """Too few brackets cannot nest too deep, and a NUL can only stand there escaped: most need no walk."""
    if isinstance(data, str):
        return data.count("[") + data.count("{") > MAX_DEPTH or "\\u0000" in data
    return data.count(b"[") + data.count(b"{") > MAX_DEPTH or b"\\u0000" in data


def _check_walking(value: Any) -> None:
    """Level by level, since a walk that calls itself would be what the depth is to hurt."""
    level = [value]
    depth = 0
    while level:
        below: list[Any] = []
        for part in level:
            if isinstance(part, str):
                _check_text(part)
            elif isinstance(part, dict | list) and depth == MAX_DEPTH:
                raise PluginDataError(f"nested deeper than {MAX_DEPTH} levels")
            elif isinstance(part, dict):
                for key in part:
                    _check_text(key)
                below.extend(part.values())
            elif isinstance(part, list):
                below.extend(part)
        level = below
        depth += 1


def _check_text(text: str) -> None:
    if has_forbidden_text(text):
        raise PluginDataError("holds a NUL character, which cannot be stored")

"""Turns the typed payload of a job into JSON and back, and refuses at the door what cannot be stored."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson

from kernel.errors import BadInput
from kernel.names import has_forbidden_text


def encode_payload(payload: object) -> orjson.Fragment:
    """The payload as JSON. Raises BadInput for text that PostgreSQL cannot store, naming the field."""
    try:
        body = orjson.dumps(payload)
    except orjson.JSONEncodeError as error:
        field = _find_forbidden(payload)
        if field is None:
            raise
        raise _forbidden_text(field) from error
    # A backslash before \u0000 makes it plain text, so only a hit is worth the slow look.
    if rb"\u0000" in body and (field := _find_forbidden(payload)) is not None:
        raise _forbidden_text(field)
    return orjson.Fragment(body)


def decode_payload(payload_type: type, data: object) -> Any:
    """The dataclass that `encode_payload` was given. Raises BadInput when the JSON does not fit the type."""
    try:
        return _decode(payload_type, data)
    except _MisfitError as misfit:
        # The value stays out of the message, which is shown and logged.
        raise BadInput(f"The job's payload does not fit {payload_type.__name__}: {misfit}.") from misfit


class _MisfitError(Exception):
    """Where the JSON and the type differ."""


def _forbidden_text(field: str) -> BadInput:
    return BadInput(f"{field} contains a character that cannot be stored. Remove it and try again.")


def _find_forbidden(payload: object) -> str | None:
    """The first field, in dotted form, whose text has a NUL or a lone surrogate."""
    return next((path or "A value" for path, text in _texts("", payload) if has_forbidden_text(text)), None)


def _texts(path: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, value
        case Mapping():
            for key, item in value.items():
                # A key that is itself forbidden is reported as its parent: the message must not hold it.
                yield path, str(key)
                yield from _texts(f"{path}.{key}".lstrip("."), item)
        case list() | tuple():
            for item in value:
                yield from _texts(path, item)
        case _ if is_dataclass(value):
            for field in fields(value):
                yield from _texts(f"{path}.{field.name}".lstrip("."), getattr(value, field.name))


def _decode(kind: Any, data: Any, path: str = "") -> Any:
    if kind is Any:
        return data
    if is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(kind, data, path)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _decode_optional(kind, data, path)
    if origin in (dict, Mapping):
        _expect(isinstance(data, dict), path, "an object")
        value_kind = get_args(kind)[1]
        return {key: _decode(value_kind, value, f"{path}.{key}") for key, value in data.items()}
    if origin is Literal:
        _expect(data in get_args(kind), path, f"one of {', '.join(map(str, get_args(kind)))}")
        return data
    if origin is list:
        _expect(isinstance(data, list), path, "a list")
        (item_kind,) = get_args(kind)
        return [_decode(item_kind, item, path) for item in data]
    return _decode_scalar(kind, data, path)


def _decode_dataclass(kind: type, data: Any, path: str) -> Any:
    _expect(isinstance(data, dict), path, "an object")
    kinds = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    if unknown := data.keys() - known.keys():
        raise _MisfitError(f"{path or 'it'} has unknown fields ({', '.join(sorted(unknown))})")
    values = {}
    for name, field in known.items():
        if name in data:
            values[name] = _decode(kinds[name], data[name], f"{path}.{name}".lstrip("."))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _MisfitError(f"{f'{path}.{name}'.lstrip('.')} is missing")
    return kind(**values)


def _decode_optional(kind: Any, data: Any, path: str) -> Any:
    others = [part for part in get_args(kind) if part is not NoneType]
    if len(others) != 1:
        raise TypeError(
            f"{path}: a payload may say `X | None`, and no other union, since JSON could not tell them apart"
        )
    return None if data is None else _decode(others[0], data, path)


def _decode_scalar(kind: Any, data: Any, path: str) -> Any:
    if kind is UUID or kind is datetime:
        _expect(isinstance(data, str), path, "text")
        try:
            return UUID(data) if kind is UUID else datetime.fromisoformat(data)
        except ValueError:
            raise _MisfitError(f"{path} is not a {kind.__name__}") from None
    if kind is float:
        _expect(isinstance(data, int | float) and not isinstance(data, bool), path, "a number")
        return float(data)
    if kind in (str, int, bool):
        _expect(type(data) is kind, path, f"of type {kind.__name__}")
        return data
    raise TypeError(f"{path}: a payload cannot hold {kind!r}")


def _expect(fits: bool, path: str, what: str) -> None:
    if not fits:
        raise _MisfitError(f"{path or 'it'} is not {what}")

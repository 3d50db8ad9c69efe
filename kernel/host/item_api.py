"""`item-api`: items by handle; an unknown handle, or a value of another kind, reads as nothing."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from kernel.sandbox.host import HostFunction
from kernel.tap.answers import read_field
from kernel.tap.handle import HandledItem
from kernel.tap.scope import PluginState
from kernel.tap.wire import PluginDataError, read_json

INTERFACE: Final = "item-api"

# What kernel.wit's s64 can carry; a larger number in the data reads as none rather than as another number.
_INT_MAX: Final = 2**63 - 1


def list_item_functions() -> tuple[HostFunction, ...]:
    calls: dict[str, Callable[..., Any]] = {
        "get-id": get_id,
        "get-type": get_type,
        "get-title": get_title,
        "set-title": set_title,
        "get-field": get_field,
        "get-field-string": get_field_string,
        "get-field-int": get_field_int,
        "get-field-bool": get_field_bool,
        "set-field": set_field,
        "set-field-string": set_value,
        "set-field-int": set_value,
        "set-field-bool": set_value,
    }
    return tuple(HostFunction(INTERFACE, name, call) for name, call in calls.items())


def get_id(state: PluginState, handle: int) -> str | None:
    item = _find(state, handle)
    return item.id if item else None


def get_type(state: PluginState, handle: int) -> str | None:
    item = _find(state, handle)
    return item.type if item else None


def get_title(state: PluginState, handle: int) -> str | None:
    item = _find(state, handle)
    return item.title if item else None


def set_title(state: PluginState, handle: int, title: str) -> bool:
    item = _find(state, handle)
    return item is not None and item.set_title(title)


def get_field(state: PluginState, handle: int, name: str) -> str | None:
    item = _find(state, handle)
    field = item.find_field(name) if item else None
    return None if field is None else orjson.dumps(field).decode()


def get_field_string(state: PluginState, handle: int, name: str) -> str | None:
    value = _find_value(state, handle, name)
    return value if isinstance(value, str) else None


def get_field_int(state: PluginState, handle: int, name: str) -> int | None:
    value = _find_value(state, handle, name)
    # A boolean is an integer to Python and to nobody else.
    return value if type(value) is int and abs(value) <= _INT_MAX else None


def get_field_bool(state: PluginState, handle: int, name: str) -> bool | None:
    value = _find_value(state, handle, name)
    return value if isinstance(value, bool) else None


def set_field(state: PluginState, handle: int, name: str, field_json: str) -> bool:
    item = _find(state, handle)
    if item is None:
        return False
    try:
        field = read_field(name, read_json(field_json))
    except PluginDataError:
        return False
    return item.set_field(name, field)


def set_value(state: PluginState, handle: int, name: str, value: str | int | bool) -> bool:
    item = _find(state, handle)
    return item is not None and item.set_field(name, {"value": value})


def _find(state: PluginState, handle: int) -> HandledItem | None:
    return state.handles.get(handle)


def _find_value(state: PluginState, handle: int, name: str) -> Any:
    item = _find(state, handle)
    field = item.find_field(name) if item else None
    return None if field is None else field.get("value")

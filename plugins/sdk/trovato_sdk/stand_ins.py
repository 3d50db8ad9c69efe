"""The stand-ins for the kernel's interfaces that every plugin may use: what `TestKernel` is made of."""

import json
from typing import Any
from uuid import UUID

from trovato_sdk.item import Field, ItemData, Value
from trovato_sdk.kernel import Err


class Items:
    """Items under handles, which are read and changed as in the sandbox."""

    def __init__(self, items: dict[int, ItemData]) -> None:
        self._items = items

    def get_id(self, handle: int) -> str | None:
        item = self._items.get(handle)
        return item.id if item else None

    def get_type(self, handle: int) -> str | None:
        item = self._items.get(handle)
        return item.type if item else None

    def get_title(self, handle: int) -> str | None:
        item = self._items.get(handle)
        return item.title if item else None

    def set_title(self, handle: int, title: str) -> bool:
        item = self._items.get(handle)
        return item is not None and item.set_title(title)

    def get_field(self, handle: int, name: str) -> str | None:
        item = self._items.get(handle)
        field = item.field(name) if item else None
        return None if field is None else json.dumps(field)

    def get_field_string(self, handle: int, name: str) -> str | None:
        item = self._items.get(handle)
        return item.text(name) if item else None

    def get_field_int(self, handle: int, name: str) -> int | None:
        item = self._items.get(handle)
        return item.integer(name) if item else None

    def get_field_bool(self, handle: int, name: str) -> bool | None:
        item = self._items.get(handle)
        return item.boolean(name) if item else None

    def set_field(self, handle: int, name: str, field_json: str) -> bool:
        field: Field = json.loads(field_json)
        return self._set(handle, name, field["value"], field.get("format"))

    def set_field_string(self, handle: int, name: str, value: str) -> bool:
        return self._set(handle, name, value)

    def set_field_int(self, handle: int, name: str, value: int) -> bool:
        return self._set(handle, name, value)

    def set_field_bool(self, handle: int, name: str, value: bool) -> bool:
        return self._set(handle, name, value)

    def _set(self, handle: int, name: str, value: Value, text_format: str | None = None) -> bool:
        item = self._items.get(handle)
        return item is not None and item.set_field(name, value, format=text_format)


class User:
    """Who asks, and what they may."""

    def __init__(self, user_id: str, permissions: frozenset[str]) -> None:
        self._user_id = user_id
        self._permissions = permissions

    def current_user_id(self) -> str:
        return self._user_id

    def current_user_has_permission(self, permission: str) -> bool:
        return permission in self._permissions


class RequestContext:
    """What plugins of one request tell each other."""

    def __init__(self, shared: dict[str, str]) -> None:
        self._shared = shared

    def get(self, key: str) -> str | None:
        return self._shared.get(key)

    def set(self, key: str, value: str) -> bool:
        self._shared[key] = value
        return True


class Variables:
    """Settings of the site."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, name: str, default: str) -> str:
        return self._values.get(name, default)

    def set(self, name: str, value: str) -> bool:
        self._values[name] = value
        return True


class Queues:
    """The plugin's own queues; what is pushed is kept for the test to look at."""

    def __init__(self, names: frozenset[str], pushed: list[tuple[str, Any]]) -> None:
        self._names = names
        self._pushed = pushed

    def push(self, queue: str, payload_json: str) -> str:
        if queue not in self._names:
            message = (
                f"queue_info of this plugin declares no queue {queue!r}."
                f" In a test: TestKernel(queues=[{queue!r}])."
            )
            raise Err(json.dumps({"code": "no-such-queue", "message": message}))
        self._pushed.append((queue, json.loads(payload_json)))
        return str(UUID(int=len(self._pushed)))


class Log:
    """The site's log."""

    def __init__(self, messages: list[tuple[str, str]]) -> None:
        self._messages = messages

    def log(self, level: str, message: str) -> None:
        self._messages.append((level, message))

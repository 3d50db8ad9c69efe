"""A stand-in for the kernel, so that a plugin's functions can be tested by an ordinary Python.

with TestKernel(permissions={"edit any blog content"}) as kernel:
    answer = kernel.call(blog, "item_view", item={"title": "Hello", "fields": {}})
"""

import json
from collections.abc import Iterable, Mapping
from contextvars import Token
from types import ModuleType, TracebackType
from typing import Any, Self
from uuid import UUID

from trovato_sdk.dispatch import Plugin
from trovato_sdk.item import Field, ItemData, Value
from trovato_sdk.kernel import CURRENT, Err, Kernel
from trovato_sdk.taps import PREFIX
from trovato_sdk.user import ANONYMOUS_ID


class TestKernel:
    """Holds everything in memory. `messages` are what the plugin logged, `shared` is the request context, `pushed` what
    it put on queues as (queue, data); only those named in `queues` take it."""

    __test__ = False  # the name is for people; pytest is not to collect it

    def __init__(
        self,
        *,
        user_id: str = ANONYMOUS_ID,
        permissions: Iterable[str] = (),
        variables: Mapping[str, str] | None = None,
        plugins: Iterable[str] = (),
        queues: Iterable[str] = (),
    ) -> None:
        self.shared: dict[str, str] = {}
        self.messages: list[tuple[str, str]] = []
        self.items: dict[int, ItemData] = {}
        self.item_api = _Items(self.items)
        self.user_api = _User(user_id, frozenset(permissions))
        self.request_context = _RequestContext(self.shared)
        self.variables = _Variables(dict(variables or {}))
        self.plugin_api = _Plugins(frozenset(plugins))
        self.pushed: list[tuple[str, Any]] = []
        self.queue_api = _Queues(frozenset(queues), self.pushed)
        self.logging = _Log(self.messages)
        self._token: Token[Kernel] | None = None

    def __enter__(self) -> Self:
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)

    def call(self, module: ModuleType, function: str, **payload: Any) -> Any:
        """What the kernel would be answered. Raises trovato_sdk.dispatch.TapFailedError."""
        plugin = Plugin(module.__name__, module)
        return json.loads(plugin.invoke(PREFIX + function, json.dumps(payload)))

    def add_item(self, data: dict[str, Any]) -> dict[str, int]:
        """Make the item known under a handle, which is what a payload holds in data mode "handle"."""
        handle = len(self.items) + 1
        self.items[handle] = ItemData(data)
        return {"handle": handle}


class _Items:
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


class _User:
    def __init__(self, user_id: str, permissions: frozenset[str]) -> None:
        self._user_id = user_id
        self._permissions = permissions

    def current_user_id(self) -> str:
        return self._user_id

    def current_user_has_permission(self, permission: str) -> bool:
        return permission in self._permissions


class _RequestContext:
    def __init__(self, shared: dict[str, str]) -> None:
        self._shared = shared

    def get(self, key: str) -> str | None:
        return self._shared.get(key)

    def set(self, key: str, value: str) -> bool:
        self._shared[key] = value
        return True


class _Variables:
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, name: str, default: str) -> str:
        return self._values.get(name, default)


class _Plugins:
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def plugin_exists(self, name: str) -> bool:
        return name in self._names


class _Queues:
    def __init__(self, names: frozenset[str], pushed: list[tuple[str, Any]]) -> None:
        self._names = names
        self._pushed = pushed

    def push(self, queue: str, payload_json: str) -> str:
        if queue not in self._names:
            message = f"queue_info of this plugin declares no queue {queue!r}."
            raise Err(json.dumps({"code": "no-such-queue", "message": message}))
        self._pushed.append((queue, json.loads(payload_json)))
        return str(UUID(int=len(self._pushed)))


class _Log:
    def __init__(self, messages: list[tuple[str, str]]) -> None:
        self._messages = messages

    def log(self, level: str, message: str) -> None:
        self._messages.append((level, message))

"""A stand-in for the kernel, so that a plugin's functions can be tested by an ordinary Python.

with TestKernel(permissions={"edit any blog content"}) as kernel:
    answer = kernel.call(blog, "item_view", item={"title": "Hello", "fields": {}})
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from types import ModuleType, TracebackType
from typing import Any, Self

from trovato_sdk import stand_ins, stand_ins_calls
from trovato_sdk.dispatch import Plugin
from trovato_sdk.item import ItemData
from trovato_sdk.kernel import CURRENT, Kernel
from trovato_sdk.taps import PREFIX
from trovato_sdk.user import ANONYMOUS_ID


class TestKernel:
    """Holds everything in memory. `messages` are what the plugin logged, `shared` is the request context, `pushed` what
    it put on queues as (queue, data); only those named in `queues` take it.

    A test puts into `stored` the items that can be loaded, by id, into `answers` what other servers answer, as
    `{(method, url): (status, headers, body)}`, and into `functions` those of other plugins, as `{(plugin, name):
    function}`. `saved` and `fetched` are what the plugin saved, and what it asked of others."""

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
        self.pushed: list[tuple[str, Any]] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.saved: list[dict[str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, dict[str, str], str]] = {}
        self.fetched: list[dict[str, Any]] = []
        self.functions: dict[tuple[str, str], Callable[[Any], Any]] = {}
        # One stand-in per interface of kernel.wit; each of a file of its own has its line here and its import above.
        self.item_api = stand_ins_calls.StoredItems(self.items, self.stored, self.saved)
        self.http_api = stand_ins_calls.Servers(self.answers, self.fetched)
        self.user_api = stand_ins.User(user_id, frozenset(permissions))
        self.request_context = stand_ins.RequestContext(self.shared)
        self.variables = stand_ins.Variables(dict(variables or {}))
        self.plugin_api = stand_ins_calls.OtherPlugins(frozenset(plugins), self.functions)
        self.queue_api = stand_ins.Queues(frozenset(queues), self.pushed)
        self.logging = stand_ins.Log(self.messages)
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

"""A stand-in for the kernel, so that a plugin's functions can be tested by an ordinary Python.

with TestKernel(permissions={"edit any blog content"}) as kernel:
    answer = kernel.call(blog, "item_view", item={"title": "Hello", "fields": {}})
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from datetime import datetime
from types import ModuleType, TracebackType
from typing import Any, Final, Self

from trovato_sdk import mock_cache, mock_db, stand_ins, stand_ins_calls
from trovato_sdk.dispatch import Plugin
from trovato_sdk.functions import FUNCTION_PREFIX
from trovato_sdk.item import ItemData
from trovato_sdk.kernel import CURRENT, Kernel
from trovato_sdk.taps import PREFIX, TAPS
from trovato_sdk.user import ANONYMOUS_ID


class TestKernel:
    """Holds everything in memory. `messages` are what the plugin logged, `shared` is the request context, `pushed` what
    it put on queues as (queue, data); only those named in `queues` take it.

    A test puts into `stored` the items that can be loaded, by id, into `answers` what other servers answer, as
    `{(method, url): (status, headers, body)}`, and into `functions` those of other plugins, as `{(plugin, name):
    function}`. `saved` and `fetched` are what the plugin saved, and what it asked of others.

    `tables` are the plugin's own, by name with their columns as in the manifest; `rows` is what stands in them, by
    table and id, `set_variables` the variables, and `cached` what the plugin keeps, by bin and key."""

    __test__ = False  # the name is for people; pytest is not to collect it

    def __init__(
        self,
        *,
        user_id: str = ANONYMOUS_ID,
        permissions: Iterable[str] = (),
        variables: Mapping[str, str] | None = None,
        plugins: Iterable[str] = (),
        queues: Iterable[str] = (),
        tables: Mapping[str, mock_db.Columns] | None = None,
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
        self.set_variables = dict(variables or {})
        self.variables = stand_ins.Variables(self.set_variables)
        self.rows: dict[str, dict[str, dict[str, Any]]] = {}
        self.db = mock_db.Tables(tables or {}, self.rows)
        self.cached: dict[tuple[str, str], Any] = {}
        self.cache_api = mock_cache.Cache(self.cached)
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

    def call(self, plugin: ModuleType, function: str, **payload: Any) -> Any:
        """What the plugin's function answers the kernel: a tap with `item`, `items`, or what else it is handed by name,
        or a function that it offers, with `data`. A `datetime` may stand for a time. An item needs only what the
        plugin reads of it; fields are `{"field_body": {"value": "…"}}`.

        Raises TapFailedError when the function fails, with the function's own exception as its cause, and TypeError
        when the payload is none of this tap.
        """
        name = PREFIX + function if function in TAPS else FUNCTION_PREFIX + function
        if function in TAPS:
            _check_payload(function, payload)
        text = json.dumps(payload, default=_write_time)
        return json.loads(Plugin(plugin.__name__, plugin).invoke(name, text))

    def add_item(self, data: dict[str, Any]) -> dict[str, int]:
        """Make the item known under a handle, which is what a payload holds in data mode "handle"."""
        handle = len(self.items) + 1
        self.items[handle] = ItemData(data)
        return {"handle": handle}


def _check_payload(function: str, payload: Mapping[str, Any]) -> None:
    """What the kernel hands over under a name of its own is for the test to give."""
    known = TAPS[function]
    given = {"item" if name == "items" else name for name in payload}
    unknown = sorted(given - {*known})
    missing = [name for name in known if name not in given and name not in _OPTIONAL]
    if not unknown and not missing:
        return
    what = f"has no {unknown[0]}" if unknown else f"is handed {missing[0]}"
    example = ", ".join(f"{name}={_EXAMPLES.get(name, '…')}" for name in known if name != "ctx")
    raise TypeError(
        f"{function} {what}. In a test: kernel.call(plugin, {function!r}{example and f', {example}'})"
    )


def _write_time(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is no JSON, and the kernel hands over nothing else.")


# Left out, they are what they mostly are.
_OPTIONAL: Final = frozenset({"ctx", "last_run"})
_EXAMPLES: Final = {
    "item": '{"title": "Hello", "fields": {"field_body": {"value": "Hi"}}}',
    "op": '"insert"',
    "request": '{"path": "/hello", "function": "hello"}',
    "now": "datetime.now(UTC)",
    "last_run": "None",
    "slot": "datetime.now(UTC)",
    "queue": '"letters"',
    "attempt": "1",
    "job_id": '"7"',
}

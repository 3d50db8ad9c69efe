"""The stand-ins for what reaches other things: stored items, other servers, other plugins' functions."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from trovato_sdk.item import ItemData
from trovato_sdk.kernel import Err
from trovato_sdk.stand_ins import Items


class StoredItems(Items):
    """`stored` are the items that can be loaded, by id; what is saved is kept in `saved` for the test to look at, and
    changes nothing."""

    def __init__(
        self, items: dict[int, ItemData], stored: dict[str, dict[str, Any]], saved: list[dict[str, Any]]
    ) -> None:
        super().__init__(items)
        self._stored = stored
        self._saved = saved

    def load(self, item_id: str) -> str:
        if item_id not in self._stored:
            raise _refuse("not-found", f"There is no item {item_id}. In a test: kernel.stored[id] = {{…}}.")
        return json.dumps({"id": item_id, **self._stored[item_id]})

    def save(self, item_json: str) -> str:
        item: dict[str, Any] = json.loads(item_json)
        self._saved.append(item)
        number = len(self._saved)
        return json.dumps({"id": item.get("id", str(UUID(int=number))), "job_id": str(UUID(int=number))})


class Servers:
    """`answers` maps a method and a URL to (status, headers, body); what was asked is kept in `fetched`."""

    def __init__(
        self,
        answers: dict[tuple[str, str], tuple[int, dict[str, str], str]],
        fetched: list[dict[str, Any]],
    ) -> None:
        self._answers = answers
        self._fetched = fetched

    def fetch(self, request_json: str) -> str:
        request: dict[str, Any] = json.loads(request_json)
        self._fetched.append(request)
        asked = (request.get("method", "GET"), request["url"])
        if asked not in self._answers:
            message = (
                f"Nobody answers {' '.join(asked)}. In a test: kernel.answers[{asked!r}] = (200, {{}}, '…')."
            )
            raise _refuse("unreachable", message)
        status, headers, body = self._answers[asked]
        return json.dumps({"status": status, "headers": headers, "body": body})


class OtherPlugins:
    """`functions` maps a plugin and a function's name to a Python function that is given the data."""

    def __init__(self, names: frozenset[str], functions: dict[tuple[str, str], Callable[[Any], Any]]) -> None:
        self._names = names
        self._functions = functions

    def plugin_exists(self, name: str) -> bool:
        return name in self._names

    def invoke(self, plugin: str, function: str, payload_json: str) -> str:
        offered = self._functions.get((plugin, function))
        if offered is None:
            place = f"kernel.functions[{plugin!r}, {function!r}] = lambda data: …"
            raise _refuse("not-found", f"There is no {plugin}.{function}. In a test: {place}")
        return json.dumps(offered(json.loads(payload_json)))


def _refuse(code: str, message: str) -> Err:
    return Err(json.dumps({"code": code, "message": message}))

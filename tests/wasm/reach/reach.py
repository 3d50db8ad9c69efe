"""A plugin that reaches other things: items, servers and plugins, as the title of the item that it is handed says."""

import json
from typing import Any

from trovato_sdk import (
    CallError,
    FetchError,
    Item,
    ItemError,
    RenderElement,
    TapContext,
    http,
    items,
    log,
    markup,
    offer,
    plugins,
    tap,
    user,
    variables,
)
from trovato_sdk.kernel import Err, http_api, item_api, plugin_api

CALLS = []


@tap
def item_view(item: Item) -> RenderElement:
    return markup(json.dumps(obey(item)))


@tap
def item_insert(item: Item) -> None:
    log.info(json.dumps(obey(item)))


@tap
def item_presave(item: Item) -> None:
    if item.title.startswith("{"):
        log.info(json.dumps(obey(item)))


@tap
def item_update(item: Item) -> None:
    """Saves what was saved, for as long as it may."""
    if item.title.startswith("echo"):
        items.save(id=item.id, title=f"{item.title}o")


def obey(item: Item) -> Any:
    order = json.loads(item.title)
    return DEEDS[order.pop("do")](**order)


def call(plugin, function, data=None):
    try:
        return plugins.call(plugin, function, data)
    except CallError as refusal:
        return [refusal.code, refusal.message]


def call_raw(plugin, function, payload):
    """What a component in another language might send."""
    try:
        return plugin_api.invoke(plugin, function, payload)
    except Err as refusal:
        return json.loads(refusal.value)["code"]


def load(item_id, times=1):
    try:
        for _ in range(times):
            item = items.load(item_id)
    except ItemError as refusal:
        return [refusal.code, refusal.message]
    return item and [item.id, item.type, item.title, item.text("field_body"), item.is_published]


def save(**given):
    try:
        saved = items.save(**given)
    except ItemError as refusal:
        return [refusal.code, refusal.message]
    return [saved.id, saved.job_id]


def save_raw(payload):
    try:
        return item_api.save(payload)
    except Err as refusal:
        return json.loads(refusal.value)["code"]


def fetch(**given):
    try:
        answer = http.fetch(**given)
    except FetchError as refusal:
        return [refusal.code, refusal.message]
    return [answer.status, answer.headers, answer.text]


def fetch_raw(payload):
    try:
        return http_api.fetch(payload)
    except Err as refusal:
        return json.loads(refusal.value)["code"]


DEEDS = {
    "call": call,
    "call_raw": call_raw,
    "exists": plugins.exists,
    "load": load,
    "save": save,
    "save_raw": save_raw,
    "fetch": fetch,
    "fetch_raw": fetch_raw,
}


@offer
def tell(data: Any, ctx: TapContext) -> dict[str, Any]:
    CALLS.append(data)
    return {
        "data": data,
        "calls": len(CALLS),
        "stage": ctx.stage,
        "user": user.current_id(),
        "may": user.may("reach far"),
    }


@offer
def relay(data: list[list[str]]) -> Any:
    """Calls the first of the functions with the others for its data; a refusal is what it answers."""
    CALLS.append(data)
    if not data:
        return "arrived"
    (plugin, function), *rest = data
    return call(plugin, function, rest)


@offer
def fail(data: Any) -> None:
    raise LookupError(f"nothing to be had for {data}")


@offer
def spin() -> None:
    while True:
        pass


@offer
def large() -> str:
    return "x" * 1_000_001


@offer
def odd() -> Any:
    return {"no": "json", "set": {1, 2}}


@offer
def ask(data: dict[str, Any]) -> Any:
    return fetch(**data)


@offer
def note(data: str) -> str:
    return variables.get(data, "nothing")

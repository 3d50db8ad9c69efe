"""A plugin that asks the kernel what it is told to ask, and tells what it was answered.

An item's `field_body`, and the argument `asks` of a page, are a JSON list of questions, each a list: its name in
QUESTIONS and its arguments.
"""

import json
import random
import time

from trovato_sdk import (
    CacheError,
    Item,
    Page,
    PageRequest,
    RenderElement,
    cache,
    db,
    items,
    markup,
    offer,
    plugins,
    request_context,
    tap,
    user,
    variables,
)
from trovato_sdk.kernel import Err, cache_api

SEEN = []


def forget(tag):
    try:
        cache.invalidate(tag)
    except CacheError as refusal:
        return refusal.code
    return "forgotten"


def keep(place, key, value, *tags):
    try:
        return cache.set(place, key, value, tags)
    except CacheError as refusal:
        return refusal.code


def keep_raw(place, key, value, tags_json):
    try:
        return cache_api.set(place, key, value, tags_json)
    except Err as refusal:
        return json.loads(refusal.value)["code"]


def remember(what):
    SEEN.append(what)
    return list(SEEN)


def call(plugin, *asks):
    return plugins.call(plugin, "ask", list(asks))


QUESTIONS = {
    "variable": lambda name: variables.get(name, "unset"),
    "user": user.current_id,
    "may": user.may,
    "clock": lambda: time.time() > 0,
    "monotonic": lambda: time.monotonic() > 0,
    "chance": lambda: random.SystemRandom().random() < 1,
    "share": request_context.set,
    "shared": request_context.get,
    "plugin": plugins.exists,
    "keep": keep,
    "keep_raw": keep_raw,
    "kept": cache.get,
    "forget": forget,
    "remember": remember,
    "rows": lambda: [row["word"] for row in db.select("words", fields=["word"])],
    "write": lambda word: bool(db.insert("words", {"word": word})),
    "load": lambda item_id: items.load(item_id).title,
    "call": call,
}


def answer(asks):
    return [QUESTIONS[name](*arguments) for name, *arguments in asks]


@tap
def item_view(item: Item) -> RenderElement | None:
    asks = json.loads(item.text("field_body") or "[]")
    return markup(json.dumps([item.title, *answer(asks)]))


@tap
def page(request: PageRequest) -> Page:
    return Page("Curious", markup(json.dumps(answer(json.loads(request.args["asks"])))))


@offer
def ask(data):
    return answer(data)

"""A plugin that fails in the way that an item's title names; "raw" ones go round the SDK."""

import json
import os

from trovato_sdk import Item, markup, tap
from trovato_sdk.dispatch import Plugin

RAW = {
    "half a JSON": '[{"#type":',
    "not a number": "[NaN]",
    "lone surrogate": '[{"#type":"markup","#value":"\\ud800"}]',
    "NUL": '[{"#type":"markup","#value":"\\u0000"}]',
    "deep": "[" * 500 + "]" * 500,
    "no list": '{"#type":"markup"}',
    "too few": "[]",
    "no element": '["<b>bold</b>"]',
    "no type": '[{"#value":"x"}]',
    "nothing at all": "",
}


def trap():
    os.abort()


def loop():
    while True:
        pass


def memory_bomb():
    hoard = []
    while True:
        hoard.append(bytearray(1 << 20))


def raise_error():
    raise ValueError("boom")


def recursion():
    recursion()


WAYS = {"trap": trap, "loop": loop, "memory bomb": memory_bomb, "error": raise_error, "recursion": recursion}


@tap
def item_view(item: Item):
    WAYS.get(item.title, str)()
    return markup(f"hostile shows {item.title}")


@tap
def item_presave(item: Item):
    """Fails after it has changed something."""
    item.set_title("half done")
    item.set_text("field_body", "half done")
    trap()


def invoke(self, name, payload):
    item = json.loads(payload).get("items", [{}])[0]
    if item.get("title") in RAW:
        return RAW[item["title"]]
    return invoke_as_written(self, name, payload)


invoke_as_written = Plugin.invoke
Plugin.invoke = invoke

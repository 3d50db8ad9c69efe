"""A plugin that fails in the way that an item's title names; "raw" ones go round the SDK."""

import json
import os
import socket
import time
from importlib import import_module

from trovato_sdk import Item, container, db, http, image, items, link, markup, plugins, tap, variables
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


def sleep():
    time.sleep(30)


def connect():
    socket.create_connection(("127.0.0.1", 22))


def import_late():
    import_module("xml.dom.minidom")


def read_tables_of_others():
    for table in ("users", "public.users", 'event" --', "../users", "pg_shadow", "plugin_guest.event"):
        tell_refusal(db.select, table)
    raise ValueError("no table of others")


def guess_ids():
    for number in range(50):
        tell_refusal(items.load, f"0190a000-0000-7000-8000-{number:012x}")
    tell_refusal(variables.get, "mail_password")
    tell_refusal(http.fetch, "http://127.0.0.1:22/")
    raise ValueError("nothing guessed")


def ask_for(name):
    """What is refused, in words that hold the name; every second name is asked for in another way."""
    if int(name.rpartition("_")[2]) % 2:
        variables.set(name, "x")
    plugins.call(name, "anything")


def tell_refusal(function, *arguments):
    """Whoever is not refused shows what was found."""
    try:
        found = function(*arguments)
    except Exception:  # noqa: BLE001  # every kind of refusal will do
        return
    if found:
        raise SystemExit(f"LEAKED {found}")


SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
BAD_URLS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    " java\nscript:alert(1)",
)


def show_scripts():
    evil = {"onclick": "alert(1)", "style": "background:url(javascript:alert(1))", SCRIPT: SCRIPT}
    return container(
        markup(SCRIPT, attributes=evil, classes=[SCRIPT]),
        *(link(url, SCRIPT, attributes=evil) for url in BAD_URLS),
        *(image(url, SCRIPT) for url in BAD_URLS),
    )


WAYS = {
    "trap": trap,
    "loop": loop,
    "memory bomb": memory_bomb,
    "error": raise_error,
    "recursion": recursion,
    "sleep": sleep,
    "connect": connect,
    "late import": import_late,
    "tables of others": read_tables_of_others,
    "guessed ids": guess_ids,
}


@tap
def item_view(item: Item):
    if item.title == "scripts":
        return show_scripts()
    if item.title.startswith("asks for "):
        ask_for(item.title.removeprefix("asks for "))
    WAYS.get(item.title, str)()
    return markup("x" * 2_000_000 if item.title == "huge answer" else f"hostile shows {item.title}")


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

"""A plugin that reads and writes as a script says: steps like `["insert", "vote", {"stars": 3}]`, and a way to end."""

import json

from trovato_sdk import Item, MenuDefinition, Page, PageRequest, db, log, markup, tap, variables
from trovato_sdk.refusal import RefusedError


@tap
def menu() -> list[MenuDefinition]:
    return [MenuDefinition("/ledgerling", "Ledgerling", function="show")]


@tap
def page(request: PageRequest) -> Page:
    told = follow(variables.get("ledgerling_script"))
    return Page("Ledgerling", markup(json.dumps(told)))


@tap
def item_view(item: Item):
    return markup(json.dumps(follow(item.text("field_body"))))


@tap
def item_presave(item: Item) -> None:
    log.warning(json.dumps(follow(item.text("field_body"))))


@tap
def item_insert(item: Item) -> None:
    log.warning(json.dumps(follow(item.text("field_body"))))


@tap
def item_update_index(item: Item) -> str:
    return json.dumps(follow(item.text("field_body")))


@tap
def cron() -> str:
    return json.dumps(follow(variables.get("ledgerling_cron")))[:255]


@tap
def queue_worker(queue: str, data: dict, attempt: int) -> None:
    log.warning(json.dumps(follow(json.dumps(data["script"]))))


def follow(script: str) -> list:
    told = []
    for name, *arguments in json.loads(script or "[]"):
        try:
            told.append(STEPS[name](*arguments))
        except RefusedError as refusal:
            told.append(refusal.code)
    return told


def find(table, where=(), options=None):
    where = where if isinstance(where, dict) else [tuple(part) for part in where]
    return db.select(table, where=where, **(options or {}))


def fail():
    raise RuntimeError("as it was told")


def spin():
    while True:
        pass


STEPS = {
    "select": find,
    "count": db.count,
    "insert": db.insert,
    "update": lambda table, values, where: db.update(table, values, where=where),
    "delete": lambda table, where: db.delete(table, where=where),
    "get": variables.get,
    "set": variables.set,
    "fail": fail,
    "spin": spin,
}

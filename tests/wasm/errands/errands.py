"""A plugin that puts work off: a page and cron push to its queues, and its worker does what it is told."""

import json
import sys

from trovato_sdk import (
    MenuDefinition,
    Page,
    PageRequest,
    PushError,
    QueueDefinition,
    log,
    markup,
    queues,
    tap,
    user,
    variables,
)
from trovato_sdk.kernel import Err, queue_api


@tap
def queue_info() -> list[QueueDefinition]:
    return [
        QueueDefinition("errands", "Errands", max_attempts=2, timeout_s=30),
        QueueDefinition("letters", "Letters"),
    ]


@tap
def menu() -> list[MenuDefinition]:
    return [MenuDefinition("/errands/{queue}/{what}", "Errands", function="push")]


@tap
def page(request: PageRequest) -> Page:
    """Pushes what the path says to the queue that it names."""
    what = request.args["what"]
    try:
        told = [queues.push(request.args["queue"], {"do": what})]
        if what == "thrice":
            told += [queues.push("errands", {"do": "note"}) for _ in range(2)]
    except PushError as refusal:
        told = [refusal.code, refusal.message]
    return Page("Errands", markup(json.dumps(told)))


@tap
def cron() -> str:
    queues.push("letters", {"do": "note"})
    return "one letter"


@tap
def queue_worker(queue: str, data: dict, attempt: int, job_id: str) -> None:
    log.warning(f"{queue} {data['do']} {data.get('number', '')} try {attempt} of {job_id}")
    DEEDS[data["do"]](data)


def push_more(data):
    """Pushes two that are alike and another one, and fails as often as it is told to."""
    for do in ("note", "note", "ask"):
        queues.push("letters", {"do": do, "from": data["from"]})
    if data["fail"]:
        raise RuntimeError("only after it pushed")


def push_raw(data):
    """What a component in another language might send; a NUL cannot come here as itself."""
    told = []
    for name, payload in data["pushes"]:
        try:
            told.append(queue_api.push(name.replace("%00", "\0"), payload))
        except Err as refusal:
            told.append(json.loads(refusal.value)["code"])
    log.warning(f"raw {json.dumps(told)}")


def ask(data):
    log.warning(f"asks as {user.current_id()} who may {user.may('run errands')}")


def knock(data):
    if variables.get("errands_door") != "open":
        raise ValueError("nobody opens")


def spin(data):
    while True:
        pass


def eat(data):
    eaten = []
    while True:
        eaten.append(bytearray(1_000_000))


def work(data):
    return sum(range(data["steps"]))


DEEDS = {
    "note": lambda data: None,
    "thrice": lambda data: None,
    "more": push_more,
    "raw": push_raw,
    "ask": ask,
    "knock": knock,
    "spin": spin,
    "eat": eat,
    "exit": lambda data: sys.exit(3),
    "work": work,
}

"""A hostile plugin: each case is a way to hurt the kernel or its neighbours.

Cases of CASES go through the SDK, by the name in `request.function`; those of RAW go round it, as a plugin
in another language might.
"""

import asyncio
import gc
import json
import os
import random
import socket
import sys
import time
import uuid

from componentize_py_types import Err
from trovato_sdk import PageRequest, log, request_context, tap, user, variables
from trovato_sdk.dispatch import Plugin
from wit_world.imports import cache_api, db, item_api, logging

REMEMBERED = []


def loop(_):
    while True:
        pass


def loop_catching(_):
    while True:
        try:
            while True:
                pass
        except BaseException:  # noqa: BLE001, S110  # that is what a hostile loop does
            pass


def compute(args):
    total = 0
    for number in range(int(args["rounds"])):
        total = (total * 31 + number) & 0xFFFFFFFF
    return total


def memory_bomb(_):
    hoard = []
    while True:
        hoard.append(bytearray(1 << 20))


def memory_bomb_caught(_):
    hoard = []
    try:
        while True:
            hoard.append(bytearray(1 << 20))
    except MemoryError:
        count = len(hoard)
        hoard.clear()
        gc.collect()
        return count


def recursion(_):
    def down(depth):
        return down(depth + 1) + 1

    return down(0)


def recursion_in_c(_):
    sys.setrecursionlimit(10**9)
    nested = []
    for _ in range(200_000):
        nested = [nested]
    return len(repr(nested))


def huge_answer(args):
    return "x" * int(args["size"])


def lone_surrogate(_):
    return "\ud800"


def no_json(_):
    return object()


def not_a_number(_):
    return float("nan")


def raise_error(_):
    raise ValueError("boom")


def exit_by_exception(_):
    sys.exit(3)


def exit_by_system(_):
    os._exit(7)


def abort(_):
    os.abort()


def sleep(args):
    time.sleep(float(args["seconds"]))
    return "awake"


def sleep_in_asyncio(args):
    return asyncio.run(asyncio.sleep(float(args["seconds"]), "awake"))


def connect(_):
    socket.create_connection(("127.0.0.1", 80), timeout=1)


def resolve(_):
    return socket.getaddrinfo("localhost", 80)


def read_stdin(_):
    return sys.stdin.read()


def read_file(_):
    with open("/etc/passwd") as file:  # noqa: PTH123  # there are no files, whichever way one asks
        return file.read()


def late_import(_):
    import colorsys  # noqa: PLC0415  # that it comes too late is the point

    return colorsys.rgb_to_hsv(1, 0, 0)


def list_environment(_):
    return [dict(os.environ), sys.argv]


def print_lines(_):
    print("to nobody")
    print("to nobody either", file=sys.stderr)
    return "printed"


def draw(_):
    return [random.random(), str(uuid.uuid4()), time.time()]


def remember(args):
    REMEMBERED.append(args["what"])
    return REMEMBERED


def ask_garbage(_):
    answers = [item_api.get_title(handle) for handle in (0, -1, 2**31 - 1, -(2**31))]
    answers += [item_api.get_field_string(1, name) for name in ("", "\x00", "x" * 100_000, "'; --")]
    answers.append(item_api.set_field(1, "field_body", "[" * 50_000))
    log.info("\x1b[31m" * 100)
    logging.log("no such level", "")
    return answers


def ask_refused(_):
    try:
        return variables.get("refused")
    except Err as error:
        return error.value


def ask_unavailable(_):
    answers = [cache_api.get("bin", "key")]
    for call in (lambda: db.select("{}"), lambda: cache_api.set("bin", "key", "value", "[]")):
        try:
            answers.append(call())
        except Err as error:
            answers.append(json.loads(error.value)["code"])
    return answers


def ask_failing(_):
    """Of host functions with each kind of answer, all of which raise."""
    answers = [user.current_id(), user.may("x"), request_context.get("x")]
    try:
        db.insert("table", "{}")
    except Err as error:
        answers.append(json.loads(error.value))
    return answers


def ask_often(args):
    for _ in range(int(args["times"])):
        item_api.get_title(1)
    return "asked"


def wait_often(args):
    for _ in range(int(args["times"])):
        variables.get("quick")
    return "waited"


def wait(args):
    return variables.get(args["name"])


CASES = {
    case.__name__: case
    for case in (
        abort,
        ask_failing,
        ask_garbage,
        ask_often,
        ask_refused,
        ask_unavailable,
        compute,
        connect,
        draw,
        exit_by_exception,
        exit_by_system,
        huge_answer,
        late_import,
        list_environment,
        lone_surrogate,
        loop,
        loop_catching,
        memory_bomb,
        memory_bomb_caught,
        no_json,
        not_a_number,
        print_lines,
        raise_error,
        read_file,
        read_stdin,
        recursion,
        recursion_in_c,
        remember,
        resolve,
        sleep,
        sleep_in_asyncio,
        wait,
        wait_often,
    )
}
RAW = {
    "raw_garbage": lambda: "{half a JSON",
    "raw_surrogate": lambda: "\ud800",
    "raw_exit": lambda: sys.exit(3),
    "raw_raise": lambda: 1 // 0,
}
RAW_ERRORS = {
    "raw_error_garbage": "no JSON",
    "raw_error_list": "[1]",
    "raw_error_code": '{"code": 7, "type": []}',
}


@tap
def page(request: PageRequest):
    return CASES[request.function](request.args)


def invoke(self, name, payload):
    if name in RAW_ERRORS:
        raise Err(RAW_ERRORS[name])
    return RAW[name]() if name in RAW else invoke_as_written(self, name, payload)


invoke_as_written = Plugin.invoke
Plugin.invoke = invoke

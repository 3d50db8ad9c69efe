"""The first parameter of a function tells what it may do: `conn` speaks SQL, `rt` makes it a verb."""

import ast
from collections.abc import Iterable
from typing import Final

import pytest

from tests.checks.sources import Source, functions, parse_all, refuse

# Beside every store.py: what is made of SQL through and through.
STORES: Final = ("kernel/db/", "kernel/gather/", "kernel/ledger/")


def is_store(source: Source) -> bool:
    return source.stem == "store" or source.path.startswith(STORES)


def check_signatures(tree: Iterable[Source]) -> list[str]:
    complaints = []
    for source in tree:
        for name, function in functions(source):
            names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
            keywords = [argument.arg for argument in function.args.kwonlyargs]
            first = names[0] if names else ""
            is_async = isinstance(function, ast.AsyncFunctionDef)
            if first == "conn" and not is_store(source):
                complaints.append(source.at(function.lineno, f"{name} takes conn; SQL lives in store.py"))
            if first == "conn" and "rt" in [*names, *keywords]:
                complaints.append(
                    source.at(function.lineno, f"{name} takes conn and rt; it is a store or a verb")
                )
            if "rt" in names[1:] and first not in {"self", "conn"}:
                complaints.append(source.at(function.lineno, f"{name} takes rt, but not first"))
            if first == "rt" and not is_async and source.top == "kernel":
                complaints.append(source.at(function.lineno, f"{name} takes rt and is not async"))
    return complaints


def test_functions_of_the_tree_say_what_they_do(product):
    refuse(check_signatures(product))


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("kernel/item/save.py", "async def insert_item(conn): ...", "SQL lives in store.py"),
        ("web/pages.py", "async def list_items(conn, /): ...", "SQL lives in store.py"),
        ("kernel/item/store.py", "async def insert_item(conn, rt): ...", "a store or a verb"),
        ("kernel/item/store.py", "async def insert_item(conn, *, rt): ...", "a store or a verb"),
        ("kernel/item/save.py", "async def save_item(ctx, rt): ...", "not first"),
        ("kernel/item/save.py", "def save_item(rt, ctx): ...", "not async"),
        ("kernel/item/save.py", "async def save_item(rt):\n    def inner(rt): ...", "not async"),
    ],
)
def test_a_function_that_mixes_kinds_is_caught(path, code, reason):
    complaints = check_signatures(parse_all({path: code}))
    assert len(complaints) == 1
    assert reason in complaints[0]


def test_the_three_kinds_pass():
    files = {
        "kernel/item/store.py": "async def insert_item(conn, item): ...",
        "kernel/ledger/claim.py": "async def claim_job(conn, job_id): ...",
        "kernel/item/save.py": "async def save_item(rt, ctx, item): ...",
        "kernel/item/model.py": "def with_title(item, title): ...",
        "kernel/db/pool.py": "class Transaction:\n    def __init__(self, conn): ...",
        "web/app.py": "def create_app(rt): ...",
        "kernel/host/state.py": "class State:\n    def __init__(self, rt, ctx): ...",
    }
    assert check_signatures(parse_all(files)) == []

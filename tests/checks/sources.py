"""The parsed files that the house rules look at, read from the tree or written inline as an example."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("kernel", "web", "workers")
# Made by tools or belonging to others: nothing in them is ours to judge.
SKIPPED: Final = frozenset({"__pycache__", "build", "dist", "node_modules", "var"})

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file; `path` is relative to the root and has forward slashes."""

    path: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def top(self) -> str:
        """The folder at the top of the tree that holds it."""
        return self.path.split("/", 1)[0]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def module(self) -> str:
        """The dotted name under which it is imported."""
        dotted = self.path.removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    def at(self, line: int, message: str) -> str:
        return f"{self.path}:{line}: {message}"


def parse(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text, path))


def parse_all(files: Mapping[str, str]) -> list[Source]:
    return [parse(path, text) for path, text in files.items()]


def list_files(*tops: str, suffixes: tuple[str, ...]) -> list[Path]:
    """The files below these folders (or these very files) of the real tree, in a stable order."""
    found: list[Path] = []
    for top in tops:
        start = ROOT / top
        found += [start] if start.is_file() else start.rglob("*")
    return sorted(
        path
        for path in found
        if path.is_file()
        and path.suffix in suffixes
        and not any(part in SKIPPED or part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def read_tree(*tops: str) -> list[Source]:
    return [
        parse(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in list_files(*tops, suffixes=(".py",))
    ]


def functions(source: Source) -> Iterator[tuple[str, FunctionDef]]:
    """Every function with its dotted name inside the module, nested ones and methods included."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    return walk(source.tree, "")


def docstrings(source: Source) -> frozenset[int]:
    """The ids of the constants that document something and are therefore never run."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        id(node.body[0].value)
        for node in ast.walk(source.tree)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    )


def texts(source: Source) -> Iterator[tuple[int, str]]:
    """Every string of the code with its line, docstrings left out; what an f-string inserts reads `{}`."""
    skipped = set(docstrings(source))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values),
            )
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def refuse(complaints: Sequence[str]) -> None:
    """Fail the test that asks, with a line for each complaint and nothing else."""
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)

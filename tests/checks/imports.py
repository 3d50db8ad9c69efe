"""Who imports what, imports inside functions and for types alone included."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.checks.sources import PRODUCT, Source


@dataclass(frozen=True, slots=True)
class Import:
    """`target` is the dotted name of what is imported, down to a name inside a module where there is one."""

    source: Source
    line: int
    target: str
    relative: bool = False

    def comes_from(self, module: str) -> bool:
        return self.target == module or self.target.startswith(f"{module}.")


def imports(source: Source) -> Iterator[Import]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(
                    source, node.lineno, f"{node.module or ''}.{alias.name}", relative=node.level > 0
                )


def unit(dotted: str) -> str:
    """The part that a dotted name belongs to: `item` for kernel.item.save, else `web` or `workers`."""
    top, _, rest = dotted.partition(".")
    return rest.split(".", 1)[0] if top == "kernel" else top


def is_ours(dotted: str) -> bool:
    return dotted.split(".", 1)[0] in PRODUCT


def module_graph(tree: Iterable[Source]) -> dict[str, set[str]]:
    """Which module of the tree imports which others of it."""
    tree = list(tree)
    known = {source.module for source in tree}
    graph: dict[str, set[str]] = {source.module: set() for source in tree}
    for source in tree:
        for found in imports(source):
            target = found.target if found.target in known else found.target.rpartition(".")[0]
            if target in known and target != source.module:
                graph[source.module].add(target)
    return graph

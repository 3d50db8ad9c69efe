"""Reads the source of a plugin without running it, and finds what would fail in the sandbox."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from kernel.app.sandbox_python import ABSENT, STANDARD_LIBRARY, find_refusal
from kernel.sandbox.build import list_sources
from kernel.tap.catalogue import TAPS

SDK: Final = "trovato_sdk"
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mistake, and where it stands."""

    path: Path
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a plugin; `names` maps what its imports brought to where it comes from: `sleep` to `time.sleep`."""

    path: Path
    tree: ast.Module
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FoundTap:
    """A function with `@tap` at the top level of a file."""

    path: Path
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Source:
    """`taps` are those that the main file holds or imports, `calls` every call of something imported as its dotted
    name, its first argument where that is a text in quotes, and its place."""

    complaints: tuple[Complaint, ...]
    taps: tuple[FoundTap, ...]
    calls: tuple[tuple[str, str | None, Path, int], ...]


def read_source(folder: Path, name: str) -> Source:
    """Of all files of a plugin but its tests."""
    files: list[SourceFile] = []
    complaints: list[Complaint] = []
    own = {path.relative_to(folder).parts[0].removesuffix(".py") for path in list_sources(folder)}
    for path in list_sources(folder):
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except (SyntaxError, ValueError) as error:
            line = (error.lineno if isinstance(error, SyntaxError) else None) or 1
            mistake = error.msg if isinstance(error, SyntaxError) else str(error)
            complaints.append(Complaint(path, line, f"not valid Python: {mistake}."))
            continue
        files.append(SourceFile(path, tree, _read_names(tree)))
    main = folder / f"{name}.py"
    if not main.is_file():
        complaints.append(Complaint(main, 1, "is missing; it holds the plugin's taps."))
    calls: list[tuple[str, str | None, Path, int]] = []
    for file in files:
        complaints += _check_imports(file, own)
        complaints += _check_taps(file)
        calls += _list_calls(file)
    for called, _, path, line in calls:
        reason = find_refusal(called)
        if reason:
            complaints.append(Complaint(path, line, f"{called} is refused in the sandbox: {reason}."))
    complaints.sort(key=lambda complaint: (str(complaint.path), complaint.line))
    return Source(tuple(complaints), tuple(_find_taps(files, main)), tuple(calls))


def _read_names(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for part in ast.walk(tree):
        if isinstance(part, ast.Import):
            for alias in part.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(part, ast.ImportFrom):
            for alias in part.names:
                if alias.name == "*" and part.module in {SDK, f"{SDK}.prelude"}:
                    names["tap"] = f"{SDK}.tap"
                else:
                    names[alias.asname or alias.name] = f"{part.module}.{alias.name}"
    return names


def _check_imports(file: SourceFile, own: set[str]) -> Iterator[Complaint]:
    for part, inside, guarded in _walk_imports(file.tree, "", guarded=False):
        if inside:
            yield Complaint(
                file.path,
                part.lineno,
                f"{inside} imports when it runs, which is too late: only what is imported at the top of a file exists"
                " in the sandbox. Move the import there.",
            )
        if isinstance(part, ast.ImportFrom) and part.level:
            yield Complaint(
                file.path,
                part.lineno,
                "a relative import, but the files of a plugin are no package: write `from file import name`.",
            )
            continue
        modules = [part.module or ""] if isinstance(part, ast.ImportFrom) else [a.name for a in part.names]
        for module in modules:
            reason = None if guarded else _find_absence(module, own)
            if reason:
                yield Complaint(file.path, part.lineno, f"{module} {reason}.")


def _walk_imports(
    tree: ast.AST, inside: str, *, guarded: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, str, bool]]:
    """Each import with the function that it stands in, and whether its failure is caught or it is for types alone."""
    for part in ast.iter_child_nodes(tree):
        if isinstance(part, ast.Import | ast.ImportFrom):
            yield part, inside, guarded
        elif isinstance(part, _FUNCTIONS):
            yield from _walk_imports(part, inside or part.name, guarded=guarded)
        else:
            cares = isinstance(part, ast.Try) and any("Import" in _text(h.type) for h in part.handlers)
            for_types = isinstance(part, ast.If) and "TYPE_CHECKING" in ast.unparse(part.test)
            yield from _walk_imports(part, inside, guarded=guarded or cares or for_types)


def _text(expression: ast.expr | None) -> str:
    """A bare `except` catches what fails to import too."""
    return "Import" if expression is None else ast.unparse(expression).replace("ModuleNotFound", "Import")


def _find_absence(module: str, own: set[str]) -> str | None:
    first = module.partition(".")[0]
    if module == f"{SDK}.testing" or module.startswith(f"{SDK}.testing."):
        return "is for tests, and no part of a plugin that is built"
    if first in own or first == SDK or (first in STANDARD_LIBRARY and first not in ABSENT):
        return None
    if first in ABSENT:
        return "is not in the sandbox's Python"
    return f"does not exist in the sandbox: a plugin may import its own files, {SDK} and Python's standard library"


def _check_taps(file: SourceFile) -> Iterator[Complaint]:
    top = {id(part) for part in file.tree.body}
    for part in ast.walk(file.tree):
        if isinstance(part, _FUNCTIONS) and any(_is_tap(file, d) for d in part.decorator_list):
            mistake = _find_tap_mistake(file, part, at_top=id(part) in top)
            if mistake:
                yield Complaint(file.path, part.lineno, mistake)


def _find_tap_mistake(file: SourceFile, function: _FunctionDef, *, at_top: bool) -> str | None:
    name = function.name
    if any(isinstance(d, ast.Call) and _is_tap(file, d) for d in function.decorator_list):
        return "@tap is written without brackets."
    if not at_top:
        return f"{name} is no tap where it stands: a tap is a function at the top level of a file."
    known = {tap.function: tap for tap in TAPS}
    tap = known.get(name)
    if tap is None:
        near = get_close_matches(name.removeprefix("tap_"), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the taps are {', '.join(known)}."
        return f"there is no tap for a function {name}; {hint}"
    if isinstance(function, ast.AsyncFunctionDef):
        return f"{name} is async, but the kernel waits for no coroutine: write `def {tap.signature}`."
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    unknown = [a.arg for a in every if a.arg not in tap.arguments.split(", ")]
    if unknown:
        return f"{name} asks for {unknown[0]}, but this tap has: {tap.arguments}."
    if arguments.posonlyargs:
        return f"{name} takes {arguments.posonlyargs[0].arg} by its place, but is handed it by its name."
    return None


def _is_tap(file: SourceFile, decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return _name_call(file, called) in {f"{SDK}.tap", f"{SDK}.taps.tap", f"{SDK}.prelude.tap"}


def _name_call(file: SourceFile, called: ast.expr) -> str | None:
    """The dotted name of what stands there, from where it was imported: `time.sleep` for `sleep`."""
    match called:
        case ast.Name():
            return file.names.get(called.id)
        case ast.Attribute():
            before = _name_call(file, called.value)
            return f"{before}.{called.attr}" if before else None
        case _:
            return None


def _list_calls(file: SourceFile) -> Iterator[tuple[str, str | None, Path, int]]:
    own = {part.name for part in ast.walk(file.tree) if isinstance(part, _FUNCTIONS)}
    for part in ast.walk(file.tree):
        if isinstance(part, ast.Call):
            called = _name_call(file, part.func)
            if called is None and isinstance(part.func, ast.Name) and part.func.id not in own:
                called = f"builtins.{part.func.id}"
            first = part.args[0] if part.args else None
            text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
            if called:
                yield called, text, file.path, part.lineno


def _find_taps(files: Sequence[SourceFile], main: Path) -> Iterator[FoundTap]:
    """Those of the main file, and those that it imports from other files of the plugin."""
    imported: Mapping[str, str] = next((file.names for file in files if file.path == main), {})
    stars = {
        part.module
        for file in files
        if file.path == main
        for part in ast.walk(file.tree)
        if isinstance(part, ast.ImportFrom) and any(alias.name == "*" for alias in part.names)
    }
    for file in files:
        module = ".".join(file.path.relative_to(main.parent).with_suffix("").parts)
        for part in file.tree.body:
            if not isinstance(part, _FUNCTIONS) or not any(_is_tap(file, d) for d in part.decorator_list):
                continue
            if file.path == main or module in stars or f"{module}.{part.name}" in imported.values():
                yield FoundTap(file.path, part.lineno, part.name)

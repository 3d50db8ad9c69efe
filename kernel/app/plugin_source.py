"""Reads the source of a plugin without running it, and finds what would fail in the sandbox."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
class Found:
    """A function with `@tap` or `@offer` at the top level of a file."""

    path: Path
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Source:
    """`taps` and `offers` are those that the main file holds or imports, `calls` every call of something imported as
    its dotted name, its first argument where that is a text in quotes, and its place."""

    complaints: tuple[Complaint, ...]
    taps: tuple[Found, ...]
    offers: tuple[Found, ...]
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
    taps, offers = (tuple(_find_functions(files, main, decorator)) for decorator in ("tap", "offer"))
    return Source(tuple(complaints), taps, offers, tuple(calls))


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
                    names |= {name: f"{SDK}.{name}" for name in ("tap", "offer", "user", "variables")}
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
    known = {tap.function: tap.arguments.split(", ") for tap in TAPS}
    for part in ast.walk(file.tree):
        if not isinstance(part, _FUNCTIONS):
            continue
        used = {name for name in ("tap", "offer") for d in part.decorator_list if _is_from_sdk(file, d, name)}
        mistake = None
        if used and any(isinstance(d, ast.Call) for d in part.decorator_list):
            mistake = f"@{min(used)} is written without brackets."
        elif used and id(part) not in top:
            mistake = (
                f"{part.name} is no tap where it stands: a tap is a function at the top level of a file."
            )
        elif "tap" in used and part.name not in known:
            mistake = _suggest_tap(part.name, known)
        elif used:
            mistake = _find_signature_mistake(part, known[part.name] if "tap" in used else ["data", "ctx"])
        if mistake:
            yield Complaint(file.path, part.lineno, mistake)


def _suggest_tap(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name.removeprefix("tap_"), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the taps are {', '.join(known)}."
    return f"there is no tap for a function {name}; {hint}"


def _find_signature_mistake(function: _FunctionDef, known: Sequence[str]) -> str | None:
    name, every = function.name, ", ".join(known)
    if isinstance(function, ast.AsyncFunctionDef):
        return f"{name} is async, but the kernel waits for no coroutine: write `def {name}({every})`."
    arguments = function.args
    wanted = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    wanted += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    unknown = [a.arg for a in wanted if a.arg not in known]
    if unknown:
        return f"{name} asks for {unknown[0]}, but this tap has: {every}."
    if arguments.posonlyargs:
        return f"{name} takes {arguments.posonlyargs[0].arg} by its place, but is handed it by its name."
    return None


def _is_from_sdk(file: SourceFile, decorator: ast.expr, name: str) -> bool:
    called = _name_call(file, decorator.func if isinstance(decorator, ast.Call) else decorator)
    return called is not None and called.startswith(f"{SDK}.") and called.endswith(f".{name}")


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


def _find_functions(files: Sequence[SourceFile], main: Path, decorator: str) -> Iterator[Found]:
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
            if not isinstance(part, _FUNCTIONS):
                continue
            is_here = file.path == main or module in stars or f"{module}.{part.name}" in imported.values()
            if is_here and any(_is_from_sdk(file, d, decorator) for d in part.decorator_list):
                yield Found(file.path, part.lineno, part.name)

"""The paths that plugins bring: the entry for a path, its breadcrumbs, complaints about the rest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kernel.errors import PluginError
from kernel.tap.answers import PATH_MAX, MenuEntry, Page
from kernel.tap.catalogue import PAGE
from kernel.tap.dispatch import dispatch
from kernel.tap.record import Record
from kernel.tap.scope import TapScope

# First segments that belong to the kernel, those of later releases too: no plugin's page may vanish then.
KERNEL_SEGMENTS: Final = frozenset(
    {"", "admin", "api", "batch", "cron", "file", "files", "health", "item", "job", "metrics", "recent-pages"}
    | {"search", "stage", "static", "system", "tile", "user"}
)
_LITERAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*")
_WILDCARD: Final = re.compile(r"\{([a-z][a-z0-9_]{0,31})(?::([a-z]+))?\}")
# What may stand in a segment that says so, `{id:uuid}`; one that says nothing takes everything.
KINDS: Final = {
    "int": re.compile(r"0|[1-9][0-9]{0,17}"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "name": re.compile(r"[a-z][a-z0-9_]{0,31}"),
}
# A chain of parents longer than this is a mistake, and no breadcrumb.
_PARENTS_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Match:
    """`args` maps each `{name}` of the entry's path to what stands there in the path asked for."""

    path: str
    entry: MenuEntry
    args: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Crumb:
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class Task:
    title: str
    path: str
    permission: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One part per segment: the text that must stand there, or None, the argument's name and its kind ("": any)."""

    entry: MenuEntry
    parts: tuple[tuple[str | None, str, str], ...]

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        args: dict[str, str] = {}
        for (literal, name, kind), segment in zip(self.parts, segments, strict=True):
            if literal is None and segment and (not kind or KINDS[kind].fullmatch(segment)):
                args[name] = segment
            elif literal != segment:
                return None
        return args


@dataclass(frozen=True, slots=True)
class MenuRegistry:
    """`entries` in the order of their weights; `complaints` are (plugin, sentence) about what is wrong."""

    entries: tuple[MenuEntry, ...] = ()
    complaints: tuple[tuple[str, str], ...] = ()
    _exact: Mapping[str, MenuEntry] = field(default_factory=dict, repr=False)
    _patterns: Mapping[int, tuple[_Pattern, ...]] = field(default_factory=dict, repr=False)

    def resolve(self, path: str) -> Match | None:
        """`path` as the browser asks for it, decoded. An exact path comes before a pattern; of patterns, one with a
        text comes before one with a kind, and that before one that takes everything, where they first differ."""
        entry = self._exact.get(path)
        if entry is not None:
            return Match(path, entry, {})
        if len(path) > 4 * PATH_MAX:
            return None
        segments = path.split("/")[1:]
        for pattern in self._patterns.get(len(segments), ()):
            args = pattern.match(segments)
            if args is not None:
                return Match(path, pattern.entry, args)
        return None

    def build_breadcrumbs(self, match: Match) -> tuple[Crumb, ...]:
        """From the topmost parent down to the match itself. A parent's `{name}` is filled from the match."""
        crumbs = [Crumb(match.path, match.entry.title)]
        entry = match.entry
        while entry.parent and len(crumbs) < _PARENTS_MAX:
            path = _fill(entry.parent, match)
            above = self.resolve(path)
            if above is None or any(crumb.path == path for crumb in crumbs):
                break
            crumbs.append(Crumb(path, above.entry.title))
            entry = above.entry
        return tuple(reversed(crumbs))

    def list_tasks(self, match: Match) -> tuple[Task, ...]:
        """What can be done at the page: itself and the tasks below it, or its parent's when it is one of those. Empty
        where there is nothing to choose."""
        base = match.entry.parent if match.entry.is_task else match.entry.path
        tasks = [entry for entry in self.entries if entry.is_task and entry.parent == base]
        first = next((entry for entry in self.entries if entry.path == base), None)
        if not tasks or first is None:
            return ()
        return tuple(
            Task(entry.title, _fill(entry.path, match), entry.permission, entry.path == match.entry.path)
            for entry in (first, *tasks)
        )


def build_menu(
    answers: Iterable[tuple[str, Sequence[MenuEntry]]], page_makers: frozenset[str]
) -> MenuRegistry:
    """`answers` in the order of the plugins: who comes first keeps a path. `page_makers` can make pages."""
    taken: dict[str, MenuEntry] = {}
    complaints: list[tuple[str, str]] = []
    for plugin, declared in answers:
        for entry in declared:
            shape = _WILDCARD.sub(lambda found: f"{{{found[2] or ''}}}", entry.path)
            reason = _find_mistake(entry, plugin, page_makers)
            if reason is None and shape in taken:
                reason = f"it belongs to the plugin '{taken[shape].plugin}' already"
            if reason is None:
                taken[shape] = replace(entry, plugin=plugin)
            else:
                complaints.append((plugin, f"Plugin '{plugin}', menu path {entry.path!r}: {reason}."))
    entries = sorted(taken.values(), key=lambda entry: entry.weight)
    complaints.extend(_find_lost_parents(entries))
    exact = {entry.path: entry for entry in entries if "{" not in entry.path}
    patterns: dict[int, list[_Pattern]] = {}
    for entry in entries:
        if "{" in entry.path:
            patterns.setdefault(entry.path.count("/"), []).append(_compile(entry))
    ordered = {count: tuple(sorted(found, key=_rank)) for count, found in patterns.items()}
    return MenuRegistry(tuple(entries), tuple(complaints), exact, ordered)


async def get_page(scope: TapScope, match: Match) -> Page:
    """What the entry's plugin shows there. Raises PluginError."""
    entry = match.entry
    request = {"path": match.path, "args": dict(match.args), "function": entry.function}
    told = Record()
    if entry.permission:
        # Nobody else is shown the page, so a plugin that is asked for it knows that its user has the permission.
        told.note_permission(entry.permission, granted=True)
    dispatched = await dispatch(scope, PAGE, extra={"request": request}, plugin=entry.plugin, told=told)
    if dispatched.failures:
        raise dispatched.failures[0]
    if not dispatched.answers:
        raise PluginError(entry.plugin, "tap-not-implemented", "it is stopped or not loaded.", tap=PAGE.name)
    page: Page = dispatched.answers[0][1]
    return page


def _find_mistake(entry: MenuEntry, plugin: str, page_makers: frozenset[str]) -> str | None:
    if not entry.path.startswith("/"):
        return "a path starts with /"
    segments = entry.path.split("/")[1:]
    if segments[0] in KERNEL_SEGMENTS:
        return f"'/{segments[0]}' is the kernel's own"
    if _WILDCARD.fullmatch(segments[0]):
        return "the first segment cannot be a wildcard: it would catch the pages of everybody else"
    bad = next((s for s in segments if not _LITERAL.fullmatch(s) and not _WILDCARD.fullmatch(s)), None)
    if bad is not None:
        return f"the segment {bad!r} must be letters, digits and . _ ~ -, or a {{name}}"
    wildcards = _WILDCARD.findall(entry.path)
    if len(wildcards) != len({name for name, _ in wildcards}):
        return "two wildcards have the same name"
    unknown = next((kind for _, kind in wildcards if kind and kind not in KINDS), None)
    if unknown is not None:
        return f"there is no kind {unknown!r} of a segment; there are {', '.join(KINDS)}"
    if entry.is_task and not entry.parent:
        return "a task needs a parent, on whose page it is shown"
    if entry.function and plugin not in page_makers:
        return f"it has the function {entry.function!r}, but the plugin does not implement {PAGE.name}"
    return None


def _find_lost_parents(entries: Iterable[MenuEntry]) -> list[tuple[str, str]]:
    paths = {entry.path for entry in entries}
    return [
        (
            entry.plugin,
            f"Plugin '{entry.plugin}', menu path {entry.path!r}: the menu has no parent {entry.parent!r}.",
        )
        for entry in entries
        if entry.parent and entry.parent not in paths
    ]


def _compile(entry: MenuEntry) -> _Pattern:
    parts: list[tuple[str | None, str, str]] = []
    for segment in entry.path.split("/")[1:]:
        wildcard = _WILDCARD.fullmatch(segment)
        parts.append((None, wildcard[1], wildcard[2] or "") if wildcard else (segment, "", ""))
    return _Pattern(entry, tuple(parts))


def _rank(pattern: _Pattern) -> tuple[int, ...]:
    """The lower wins where two patterns first differ."""
    return tuple(0 if literal is not None else 1 if kind else 2 for literal, _, kind in pattern.parts)


def _fill(path: str, match: Match) -> str:
    """The path with what stands in the address in place of its wildcards."""
    return _WILDCARD.sub(lambda found: match.args.get(found[1], found[0]), path)

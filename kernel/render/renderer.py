"""Opens the templates of the site and its theme, checks them all at start, and renders them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import jinja2
from jinja2 import nodes
from markupsafe import Markup

from kernel.clock import find_zone
from kernel.errors import ConfigError
from kernel.log import get_logger
from kernel.names import is_machine_name
from kernel.profile import note_time
from kernel.render.assets import Assets, read_assets
from kernel.render.filters import (
    in_zone,
    show_ago,
    show_as,
    show_date,
    show_datetime,
    show_number,
    stage_class,
    teaser,
)
from kernel.render.tree import render_tree

log = get_logger(__name__)

THEMES_DIR: Final = "themes"
# A theme's page.html says {% extends "core/page.html" %} to change a part of ours instead of replacing it.
CORE_PREFIX: Final = "core"


class Renderer:
    """Every template is compiled when it is opened, so that a mistake stops the start and not a request."""

    def __init__(self, environment: jinja2.Environment, names: frozenset[str], assets: Assets) -> None:
        self._environment = environment
        self._names = names
        self.assets = assets

    @classmethod
    def open(cls, templates_dir: Path, static_dir: Path, *, theme: str = "") -> "Renderer":
        """Raises ConfigError with every mistake of every template, as file:line."""
        assets = read_assets(static_dir)
        environment = jinja2.Environment(
            loader=_build_loader(templates_dir, theme),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.globals.update(asset=assets.url, icon=assets.icon)
        environment.filters.update(
            ago=show_ago,
            date=show_date,
            datetime=show_datetime,
            number=show_number,
            shown_as=show_as,
            stage_class=stage_class,
            teaser=teaser,
        )
        names = frozenset(_list_names(environment))
        problems = [
            problem for name in sorted(names) for problem in _check_template(environment, assets, name)
        ]
        if problems:
            raise ConfigError(problems)
        return cls(environment, names, assets)

    def render(self, template: str, /, *, timezone: str | None = None, **variables: Any) -> str:
        """A variable that the template uses and nobody gave is an error, not an empty text. `timezone` is that of the
        reader; without one, times are those of UTC, as in pages that all strangers are given."""
        started = perf_counter()
        try:
            with in_zone(None if timezone is None else find_zone(timezone)):
                return self._environment.get_template(template).render(variables)
        finally:
            note_time("render", perf_counter() - started)

    def suggest(self, names: Sequence[str]) -> str:
        """The first of the names that is a template. Raises LookupError when none is."""
        for name in names:
            if name in self._names:
                return name
        raise LookupError(f"None of these templates exists: {', '.join(names)}")

    def render_tree(self, tree: object, *, name: str = "tree") -> Markup:
        """What is good of the tree; what was left out stands in the log under `name`."""
        rendered = render_tree(tree, name=name)
        if rendered.complaints:
            log.warning("parts of a render tree were left out", complaints=rendered.complaints)
        return rendered.html


def item_suggestions(item_type: str, item_id: UUID | str) -> tuple[str, str, str]:
    """The most particular template first."""
    return f"item--{item_type}--{item_id}.html", f"item--{item_type}.html", "item.html"


def _build_loader(templates_dir: Path, theme: str) -> jinja2.BaseLoader:
    if not (templates_dir / "base.html").is_file():
        raise ConfigError(
            [f"{templates_dir} has no base.html. Set TROVATO_TEMPLATES to the templates folder."]
        )
    core = jinja2.FileSystemLoader(templates_dir)
    loaders: list[jinja2.BaseLoader] = [core, jinja2.PrefixLoader({CORE_PREFIX: core})]
    if theme:
        folder = templates_dir / THEMES_DIR / theme
        if not is_machine_name(theme) or not folder.is_dir():
            raise ConfigError([f"TROVATO_THEME is {theme!r}, but there is no folder {folder}."])
        loaders.insert(0, jinja2.FileSystemLoader(folder))
    return jinja2.ChoiceLoader(loaders)


def _list_names(environment: jinja2.Environment) -> Iterator[str]:
    """Without other themes, and without the second name that the prefix gives to every template."""
    for name in environment.list_templates(extensions=("html",)):
        if not name.startswith((f"{THEMES_DIR}/", f"{CORE_PREFIX}/")):
            yield name


def _check_template(environment: jinja2.Environment, assets: Assets, name: str) -> Iterator[str]:
    source, path, _ = _read_source(environment, name)
    try:
        environment.get_template(name)
        tree = environment.parse(source, name, path)
    except jinja2.TemplateSyntaxError as error:
        yield f"{error.filename or path}:{error.lineno}: {error.message}"
        return
    for line, wanted in _find_references(tree):
        try:
            environment.get_template(wanted)
        except jinja2.TemplateNotFound:
            yield f"{path}:{line}: there is no template {wanted!r}"
        except jinja2.TemplateSyntaxError:
            continue  # reported where it stands
    resolvers: Mapping[str, Callable[[str], object]] = {"asset": assets.url, "icon": assets.icon}
    for line, function, argument in _find_calls(tree):
        if function in resolvers:
            try:
                resolvers[function](argument)
            except LookupError:
                yield f"{path}:{line}: there is no {function} {argument!r}"


def _read_source(environment: jinja2.Environment, name: str) -> tuple[str, str, object]:
    loader = environment.loader
    if loader is None:
        raise LookupError(name)
    source, path, is_current = loader.get_source(environment, name)
    return source, path or name, is_current


def _find_references(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Line and name of every template that is named by a constant."""
    for kind in (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include):
        for part in tree.find_all(kind):
            target = getattr(part, "template", None)
            if isinstance(target, nodes.Const) and isinstance(target.value, str):
                yield part.lineno, target.value


def _find_calls(tree: nodes.Template) -> Iterator[tuple[int, str, str]]:
    """Line, function and first argument of every call whose first argument is a constant text."""
    for call in tree.find_all(nodes.Call):
        first = call.args[0] if call.args else None
        if (
            isinstance(call.node, nodes.Name)
            and isinstance(first, nodes.Const)
            and isinstance(first.value, str)
        ):
            yield call.lineno, call.node.name, first.value

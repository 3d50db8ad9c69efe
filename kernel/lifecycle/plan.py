"""Works out what a change of a plugin amounts to: the rows before and after, or the reason why it cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernel.clock import now
from kernel.jobs import ChangePlugin
from kernel.plugin.model import Installed, PluginSet


class RefusedError(Exception):
    """The change is not made; the sentences say why, for whoever asked for it."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Plan:
    """`row` is the plugin as it will be, or as it was when it goes; `before` is None for a new one. `rows` are all
    plugins as they will be, `trial` those and this one enabled: what has to be loaded to call its taps."""

    row: Installed
    before: Installed | None
    is_gone: bool
    rows: tuple[Installed, ...]
    trial: tuple[Installed, ...]

    @property
    def comes_into_use(self) -> bool:
        return self.row.is_enabled and not (self.before and self.before.is_enabled)

    @property
    def changes_nothing(self) -> bool:
        return not self.is_gone and self.before is not None and _what(self.before) == _what(self.row)


def make_plan(change: ChangePlugin, installed: Sequence[Installed], version: str = "") -> Plan:
    """`version` is that of the manifest to install. Raises RefusedError."""
    rows = {row.name: row for row in installed}
    before = rows.pop(change.plugin, None)
    if change.operation == "install":
        row = _make_row(change, before, version)
    elif before is None:
        raise RefusedError(f"The plugin '{change.plugin}' is not installed.")
    else:
        row = replace(before, is_enabled=change.operation == "enable")
    is_gone = change.operation == "uninstall"
    others = tuple(rows.values())
    return Plan(
        row,
        before,
        is_gone,
        rows=others if is_gone else (*others, row),
        trial=(*others, replace(row, is_enabled=True)),
    )


def find_broken(before: PluginSet, after: PluginSet, plugin: str) -> tuple[str, ...]:
    """Other plugins that worked and would not any more."""
    return tuple(name for name in before.names if name != plugin and name not in after.names)


def _make_row(change: ChangePlugin, before: Installed | None, version: str) -> Installed:
    moment = now()
    return Installed(
        change.plugin,
        version,
        change.enables if before is None else before.is_enabled,
        change.sha256,
        change.manifest,
        moment if before is None else before.installed,
        moment,
    )


def _what(row: Installed) -> tuple[bool, str, str]:
    return row.is_enabled, row.sha256, row.manifest

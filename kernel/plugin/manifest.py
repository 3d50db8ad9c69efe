"""Reads `{name}.info.toml`: every mistake at once, each with its file, its line and what was expected."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from kernel.errors import ConfigError
from kernel.names import is_host, is_machine_name
from kernel.plugin.lines import Lines, read_syntax_error
from kernel.plugin.model import API_VERSION, Budgets, Manifest
from kernel.plugin.tables import read_tables
from kernel.tap.capability import Capabilities, Table
from kernel.tap.catalogue import FORM_TAPS, TAPS, Tap, find_tap
from kernel.tap.registry import DataMode, TapOptions

_VERSION: Final = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?")
_TOP: Final = (
    "name",
    "version",
    "api_version",
    "description",
    "dependencies",
    "taps",
    "functions",
    "capabilities",
    "tables",
    "budgets",
)
_CAPABILITIES: Final = ("permissions", "variables", "read_types", "write_types", "hosts")
_NO_RAW_SQL: Final = (
    "raw_sql is not offered by this version; declare [tables], and use db.select, insert, update and delete"
)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_OPTIONS: Final = ("data_mode", "fields", "types", "weight", "forms")
_WEIGHT_LIMIT: Final = 1_000


def read_manifest(path: Path, ceilings: Budgets) -> Manifest:
    """`ceilings` is the most that the site allows, and what a plugin gets that asks for nothing.

    Raises ConfigError.
    """
    return parse_manifest(read_manifest_text(path), path, ceilings)


def read_manifest_text(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}:1: cannot be read: {error}"]) from error


def parse_manifest(text: str, path: Path, ceilings: Budgets) -> Manifest:
    """`path` is where it stands, or would. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, mistake = read_syntax_error(str(error), text)
        raise ConfigError([f"{path}:{line}: not valid TOML: {mistake}"]) from error
    reader = _Reader(path, Lines(text))
    manifest = reader.read(data, ceilings)
    if reader.problems:
        in_order = sorted(reader.problems, key=lambda problem: problem[0])
        raise ConfigError([f"{path}:{line}: {sentence}" for line, sentence in in_order])
    return manifest


class _Reader:
    """Collects a complaint per mistake, and goes on with something harmless."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self.path = path
        self.lines = lines
        self.problems: list[tuple[int, str]] = []

    def read(self, data: Mapping[str, Any], ceilings: Budgets) -> Manifest:
        self.check_keys("", data, _TOP)
        name = self.text(data, "name", required=True)
        expected = self.path.name.removesuffix(".info.toml")
        if name and not is_machine_name(name):
            self.complain("name", f"name {name!r} must hold a-z, 0-9 and _ only, and start with a letter")
        elif name and not name == expected == self.path.parent.name:
            self.complain(
                "name", f"name {name!r} must be that of its folder and file: {name}/{name}.info.toml"
            )
        version = self.text(data, "version", required=True)
        if version and not _VERSION.fullmatch(version):
            self.complain("version", f"version {version!r} must look like 1.0.0")
        api_version = self.text(data, "api_version", required=True)
        if api_version and api_version != API_VERSION:
            self.complain(
                "api_version",
                f"api_version {api_version!r} is not offered; this kernel offers {API_VERSION!r}",
            )
        description = self.text(data, "description")
        dependencies = self.names(data, "dependencies")
        self.check_keys("functions", self.table(data, "functions"), ("offers",))
        if name in dependencies:
            self.complain("dependencies", "a plugin cannot depend on itself", name)
        return Manifest(
            name=name,
            version=version,
            folder=self.path.parent,
            description=description,
            dependencies=dependencies,
            taps=self.read_taps(self.table(data, "taps")),
            may=self.read_capabilities(
                self.table(data, "capabilities"), read_tables(self, self.table(data, "tables"))
            ),
            functions=frozenset(self.names(self.table(data, "functions"), "functions.offers")),
            budgets=self.read_budgets(self.table(data, "budgets"), ceilings),
        )

    def read_taps(self, data: Mapping[str, Any]) -> dict[str, TapOptions]:
        self.check_keys("taps", data, ("implements", "weight", "options"))
        weight = self.weight(data, "taps.weight", 0)
        options = self.table(data, "taps.options")
        implemented: dict[str, TapOptions] = {}
        if "implements" not in data:
            self.complain("taps", "[taps] implements is missing; expected a list of taps")
        for name in self.texts(data, "taps.implements"):
            tap = find_tap(name)
            if tap is None:
                known = [t.name for t in TAPS]
                self.complain("taps.implements", f"{name!r} is no tap; {_suggest(name, known)}", name)
            elif name in implemented:
                self.complain("taps.implements", f"{name!r} stands there twice", name)
            else:
                implemented[name] = self.read_options(
                    tap, self.table(options, f"taps.options.{name}"), weight
                )
        for name in options:
            if name not in implemented:
                self.complain(
                    f"taps.options.{name}", f"options for {name!r}, which [taps] implements does not list"
                )
        return implemented

    def read_options(self, tap: Tap, data: Mapping[str, Any], weight: int) -> TapOptions:
        place = f"taps.options.{tap.name}"
        self.check_keys(place, data, _OPTIONS)
        if not tap.takes_items:
            for key in ("data_mode", "fields", "types"):
                if key in data:
                    self.complain(f"{place}.{key}", f"{key} means nothing here: {tap.name} is handed no item")
        forms = self.names(data, f"{place}.forms")
        if (tap in FORM_TAPS) != bool(forms):
            self.complain(
                f"{place}.forms",
                f"{tap.name} needs forms, the ids of the forms that it is for"
                if tap in FORM_TAPS
                else f"forms means nothing here: {tap.name} is not about forms",
            )
        mode = data.get("data_mode", "full")
        if mode not in {"full", "handle"}:
            self.complain(f"{place}.data_mode", f"data_mode {mode!r} must be 'full' or 'handle'")
        fields = self.names(data, f"{place}.fields")
        for name in fields:
            if not name.startswith("field_"):
                self.complain(
                    f"{place}.fields", f"{name!r} is no field; a field's name starts with field_", name
                )
        types = self.names(data, f"{place}.types")
        return TapOptions(
            data_mode=cast("DataMode", mode),
            fields=frozenset(fields) if "fields" in data else None,
            types=frozenset(types) if "types" in data else None,
            weight=self.weight(data, f"{place}.weight", weight),
            forms=frozenset(forms),
        )

    def read_capabilities(self, data: Mapping[str, Any], tables: Mapping[str, Table]) -> Capabilities:
        if "raw_sql" in data:
            self.complain("capabilities.raw_sql", _NO_RAW_SQL)
        self.check_keys("capabilities", {key: data[key] for key in data if key != "raw_sql"}, _CAPABILITIES)
        hosts = self.texts(data, "capabilities.hosts")
        for host in hosts:
            name, colon, port = host.partition(":")
            if not is_host(name) or (colon and not _PORT.fullmatch(port)):
                self.complain(
                    "capabilities.hosts",
                    f"{host!r} must be a host like api.example.com or api.example.com:8443",
                    host,
                )
        return Capabilities(
            permissions=frozenset(self.texts(data, "capabilities.permissions")),
            variables=frozenset(self.names(data, "capabilities.variables")),
            read_types=frozenset(self.names(data, "capabilities.read_types")),
            write_types=frozenset(self.names(data, "capabilities.write_types")),
            hosts=frozenset(hosts),
            tables=tables,
        )

    def read_budgets(self, data: Mapping[str, Any], ceilings: Budgets) -> Budgets:
        self.check_keys("budgets", data, ("cpu_ms", "memory_mb", "host_calls"))
        return Budgets(
            cpu_ms=self.budget(data, "cpu_ms", ceilings.cpu_ms),
            memory_mb=int(self.budget(data, "memory_mb", ceilings.memory_mb)),
            host_calls=int(self.budget(data, "host_calls", ceilings.host_calls)),
        )

    def budget(self, data: Mapping[str, Any], key: str, ceiling: float) -> float:
        value = data.get(key, ceiling)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            if value is not ceiling:
                self.complain(f"budgets.{key}", f"{key} {value!r} must be a whole number above 0")
            return ceiling
        if value > ceiling:
            self.complain(f"budgets.{key}", f"{key} {value} is over what this site allows, {ceiling:g}")
        return value

    def weight(self, data: Mapping[str, Any], place: str, default: int) -> int:
        value = data.get("weight", default)
        if type(value) is not int or abs(value) > _WEIGHT_LIMIT:
            self.complain(
                place, f"weight {value!r} must be a whole number from -{_WEIGHT_LIMIT} to {_WEIGHT_LIMIT}"
            )
            return default
        return value

    def text(self, data: Mapping[str, Any], key: str, *, required: bool = False) -> str:
        value = data.get(key, "")
        if not isinstance(value, str):
            self.complain(key, f"{key} must be text in quotes, not {value!r}")
            return ""
        if required and not value.strip():
            self.complain(key, f"{key} is missing; expected text in quotes")
        return value

    def texts(self, data: Mapping[str, Any], place: str) -> tuple[str, ...]:
        key = place.rpartition(".")[2]
        value = data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            self.complain(place, f"{key} must be a list of texts, not {value!r}")
            return ()
        return tuple(value)

    def names(self, data: Mapping[str, Any], place: str) -> tuple[str, ...]:
        names = self.texts(data, place)
        for name in names:
            if not is_machine_name(name):
                self.complain(place, f"{name!r} must hold a-z, 0-9 and _ only, and start with a letter", name)
        return names

    def table(self, data: Mapping[str, Any], place: str) -> Mapping[str, Any]:
        value = data.get(place.rpartition(".")[2], {})
        if not isinstance(value, Mapping):
            self.complain(place, f"{place} must be a table, [{place}], not {value!r}")
            return {}
        return value

    def check_keys(self, place: str, data: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in data:
            if key not in known:
                where = f"[{place}] " if place else ""
                dotted = f"{place}.{key}" if place else key
                self.complain(dotted, f"{where}{key!r} is no key of a manifest; {_suggest(key, known)}")

    def complain(self, place: str, sentence: str, value: object = None) -> None:
        end = "" if sentence.endswith("?") else "."
        self.problems.append((self.lines.find(place, value), sentence + end))


def _suggest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"

"""Tells everything that is wrong with a plugin and can be known without building it, and what its artefact says."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel.app.plugin_source import SDK, Complaint, Source, read_source
from kernel.config import Config
from kernel.errors import ConfigError, NotFound
from kernel.names import is_machine_name
from kernel.plugin.lines import Lines
from kernel.plugin.load import check_description
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets, Manifest
from kernel.sandbox.build import is_current
from kernel.sandbox.instance import Limits
from kernel.sandbox.sandbox import Sandbox

# What asking an artefact to describe itself may use; it is the plugin's first breath.
_LIMITS = Limits(memory_mb=256, cpu_ms=2_000.0, timeout_s=20.0)


@dataclass(frozen=True, slots=True)
class Checked:
    """`manifest` is None when it cannot be read; each problem is a line for people, with file and line number."""

    name: str
    folder: Path
    manifest: Manifest | None
    problems: tuple[str, ...]


def find_plugin_folder(plugins_dir: Path, place: str) -> Path:
    """`place` is the name of a plugin of the site, or a folder. Raises NotFound."""
    for folder in (plugins_dir / place, Path(place)) if is_machine_name(place) else (Path(place),):
        if folder.is_dir():
            return folder.resolve()
    raise NotFound(
        f"There is no plugin {place!r} in {plugins_dir}, and no folder of that name."
        f" Make one: trovato plugin new {place if is_machine_name(place) else 'NAME'}"
    )


def check_plugin(folder: Path, ceilings: Budgets) -> Checked:
    """Manifest and source, and what each says about the other."""
    name = folder.name
    path = folder / f"{name}.info.toml"
    problems: list[str] = []
    manifest = None
    if name in sys.stdlib_module_names:
        problems.append(f"{folder}:1: a plugin cannot be called {name}: Python's own module has that name.")
    if path.is_file():
        try:
            manifest = read_manifest(path, ceilings)
        except ConfigError as error:
            problems += error.problems
    else:
        problems.append(f"{path}:1: is missing; a plugin's manifest is called as its folder.")
    source = read_source(folder, name)
    problems += [str(complaint) for complaint in source.complaints]
    if manifest is not None:
        lines = Lines(path.read_text(encoding="utf-8"))
        if (folder / f"{name}.py").is_file():
            problems += [str(complaint) for complaint in _compare_taps(manifest, path, lines, source)]
        problems += [str(complaint) for complaint in _compare_capabilities(manifest, path, source)]
    return Checked(name, folder, manifest, tuple(problems))


def _compare_taps(manifest: Manifest, path: Path, lines: Lines, source: Source) -> Iterator[Complaint]:
    written = sorted({f"tap_{found.function}" for found in source.taps})
    offered = sorted({found.function for found in source.offers})
    problem = check_description(manifest, {"name": manifest.name, "taps": written, "functions": offered})
    if problem:
        missing = next((tap for tap in manifest.taps if tap not in written), None)
        place = "functions.offers" if missing is None else "taps.implements"
        yield Complaint(path, lines.find(place, missing), problem)
    for found in source.taps:
        if f"tap_{found.function}" not in manifest.taps:
            sentence = f'is never called: add "tap_{found.function}" to [taps] implements in {path.name}.'
            yield Complaint(found.path, found.line, f"{found.function} {sentence}")
    for found in source.offers:
        if found.function not in manifest.functions:
            sentence = f'is offered to nobody: add "{found.function}" to [functions] offers in {path.name}.'
            yield Complaint(found.path, found.line, f"{found.function} {sentence}")


def _compare_capabilities(manifest: Manifest, path: Path, source: Source) -> Iterator[Complaint]:
    """Only what stands in the source as a text in quotes; the rest shows when it runs."""
    for called, text, file, line in source.calls:
        if text is None:
            continue
        if called == f"{SDK}.user.may" and text not in manifest.may.permissions:
            yield Complaint(
                file, line, f"user.may({text!r}) is always False: {_list_it('permissions', text, path)}."
            )
        own = text.startswith(f"{manifest.name}_")
        if called == f"{SDK}.variables.get" and not own and text not in manifest.may.variables:
            yield Complaint(
                file,
                line,
                f"variables.get({text!r}) always answers its default: {_list_it('variables', text, path)}, or choose a"
                f" name that begins with {manifest.name}_.",
            )


def _list_it(key: str, text: str, path: Path) -> str:
    return f'list "{text}" in [capabilities] {key} in {path.name}'


def describe_artefact(config: Config, manifest: Manifest) -> Sequence[str]:
    """What its artefact says, a line each; the last line is a problem when it begins with the artefact's path.

    Raises PluginError for an artefact that is no plugin."""
    wasm = manifest.wasm
    if not wasm.is_file():
        return [f"Not built yet. Build it: trovato plugin build {manifest.name}"]
    description = asyncio.run(_read_description(config, manifest.name, wasm))
    taps = ", ".join(description["taps"]) or "no taps"
    lines = [f"{wasm.name} says: {description.get('name')}, SDK {description.get('sdk')}, {taps}"]
    problem = check_description(manifest, description)
    if not is_current(manifest.folder, manifest.name, wasm):
        lines.append(f"{wasm.name} was made of other sources. Build it: trovato plugin build {manifest.name}")
    elif problem:
        lines.append(f"{wasm}: {problem}")
    else:
        lines.append(f"{wasm.name} is current.")
    return lines


async def _read_description(config: Config, name: str, wasm: Path) -> dict[str, Any]:
    sandbox = await Sandbox.open((), cache_dir=config.var / "native", ready_instances=0)
    try:
        return (await sandbox.load(name, wasm, _LIMITS)).description
    finally:
        await sandbox.close()

"""Watches the folder of a plugin: what is saved there is checked, built and in effect on the running site."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kernel.app.plugin_check import check_plugin
from kernel.context import Context
from kernel.errors import ConfigError, TrovatoError
from kernel.lifecycle.ask import put_into_effect
from kernel.plugin.model import Budgets, get_ceilings
from kernel.runtime import Runtime
from kernel.sandbox.build import build_plugin, list_sources

Report = Callable[[str], None]
# Each file with the time of its last change and its size.
_State = frozenset[tuple[Path, int, int]]

POLL_S: Final = 0.2


async def watch_plugin(rt: Runtime, ctx: Context, name: str, report: Report, stop: asyncio.Event) -> None:
    """A round now, and one after each save, until `stop`. Mistakes are told, and the site keeps what it has."""
    folder = rt.config.plugins_dir / name
    seen: _State | None = None
    while not stop.is_set():
        state = _read_state(folder)
        if state != seen:
            seen = await _settle(folder, state)
            await _run_round(rt, ctx, name, report)
        else:
            await _pause(stop)


async def _settle(folder: Path, state: _State) -> _State:
    """An editor may write several files, or one in several steps."""
    while True:
        await asyncio.sleep(POLL_S / 4)
        later = _read_state(folder)
        if later == state:
            return later
        state = later


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), POLL_S)
    except TimeoutError:
        return


def _read_state(folder: Path) -> _State:
    """What a plugin is made of; a file may go while it is looked at."""
    state = set()
    for path in (folder / f"{folder.name}.info.toml", *list_sources(folder)):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        state.add((path, status.st_mtime_ns, status.st_size))
    return frozenset(state)


async def _run_round(rt: Runtime, ctx: Context, name: str, report: Report) -> None:
    started = time.monotonic()
    folder = rt.config.plugins_dir / name
    ceilings: Budgets = get_ceilings(rt.config)
    checked = await asyncio.to_thread(check_plugin, folder, ceilings)
    problems = list(checked.problems)
    if checked.manifest is not None and not problems:
        # A build takes many seconds, and somebody looks at an empty line meanwhile.
        report(_stamp(f"{name} is being built"))
        try:
            wasm, cache_dir = checked.manifest.wasm, rt.config.var / "native"
            await asyncio.to_thread(build_plugin, folder, name, wasm, cache_dir=cache_dir)
            answer = await put_into_effect(rt, ctx, name)
        except ConfigError as error:
            problems = error.problems
        except TrovatoError as error:
            problems = [error.message]
        else:
            seconds = time.monotonic() - started
            report(_stamp(f"{name} {checked.manifest.version} is in effect, after {seconds:.1f} s"))
            for note in answer.notes:
                report(f"          {note}")
            return
    for problem in problems:
        report(problem)
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    report(_stamp(f"{name} has {count}; the site keeps what it has"))


def _stamp(sentence: str) -> str:
    return f"{time.strftime('%H:%M:%S')}  {sentence}"

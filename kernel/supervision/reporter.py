"""Takes what a process saw of its plugins to where all processes can read it, every second."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson

from kernel.context import Context
from kernel.db.connect import DISCONNECTED
from kernel.errors import BadInput, Unavailable
from kernel.jobs import NOTE_PLUGIN_FAILURES, NotePluginFailures, PluginFailures
from kernel.ledger.ledger import Ledger
from kernel.ledger.submit import submit_job
from kernel.log import get_logger
from kernel.names import has_forbidden_text
from kernel.shared.tally import Tallies
from kernel.supervision.recording import make_recording
from kernel.supervision.usage import add_usage
from kernel.tap.watch import SeenFailure, Tally, Watch

log = get_logger(__name__)

EVERY_S: Final = 1.0
_MESSAGE_MAX: Final = 2_000
_DETAIL_MAX: Final = 8_000


class Reporter:
    """One per process. What it could not deliver is lost: these are figures, and a failure that lasts comes again."""

    def __init__(self, watch: Watch, tallies: Tallies, ledger: Ledger, *, every_s: float = EVERY_S) -> None:
        self._watch = watch
        self._tallies = tallies
        self._ledger = ledger
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._report_for_ever(), name="plugin reports")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with suppress(*DISCONNECTED):
            await self.report()

    async def report(self) -> None:
        """What has come since the last time: one message to Redis a plugin, and one job when something failed."""
        tally, failures = self._watch.take()
        if tally:
            with suppress(Unavailable):
                await add_usage(self._tallies, tally)
        if failures:
            note = NotePluginFailures(list(_sum_up(tally, failures)))
            try:
                await submit_job(self._ledger, Context(), NOTE_PLUGIN_FAILURES, note)
            except BadInput as mistake:
                log.warning("failures of plugins not recorded", error=mistake.message)

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.report()
            except DISCONNECTED as error:
                log.debug("failures of plugins not recorded", error=type(error).__name__)


def _sum_up(tally: Tally, failures: Iterable[SeenFailure]) -> Iterable[PluginFailures]:
    """The latest of each tap."""
    latest: Mapping[tuple[str, str], SeenFailure] = {(seen.plugin, seen.tap): seen for seen in failures}
    for (plugin, tap), seen in latest.items():
        yield PluginFailures(
            plugin,
            tap,
            seen.error.reason,
            _make_storable(seen.error.message, _MESSAGE_MAX),
            _make_storable(seen.error.detail or "", _DETAIL_MAX),
            seen.sha256,
            seen.request_id,
            tally[plugin, tap, "calls"],
            tally[plugin, tap, "failures"],
            _read_back(make_recording(seen.error.call)),
        )


def _make_storable(text: str, length: int) -> str:
    text = text[:length]
    return text.encode(errors="replace").decode().replace("\x00", "�") if has_forbidden_text(text) else text


def _read_back(recording: Any) -> Any:
    """None where it holds what cannot be stored as it is; a recording that was mended would not be one."""
    text = orjson.dumps(recording).decode()
    return None if r"\u0000" in text else recording

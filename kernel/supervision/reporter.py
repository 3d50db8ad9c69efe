"""Takes what a process saw of its plugins to where all processes can read it, every second."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from time import monotonic
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
from kernel.supervision.window import WINDOW_S
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
        # Calls of each tap since its failures were last reported, and since when they are counted.
        self._calls: Counter[tuple[str, str]] = Counter()
        self._calls_since = monotonic()

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
        self._count_calls(tally)
        if tally:
            with suppress(Unavailable):
                await add_usage(self._tallies, tally)
        if failures:
            note = NotePluginFailures(await asyncio.to_thread(self._sum_up, tally, failures))
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
            except Exception:  # what one failure is like must not keep the next ones from being told
                log.exception("failures of plugins not recorded")

    def _count_calls(self, tally: Tally) -> None:
        """Also those of quiet times, up to the length of the window in which failures are counted."""
        if monotonic() - self._calls_since > WINDOW_S:
            self._calls.clear()
            self._calls_since = monotonic()
        for (plugin, tap, figure), number in tally.items():
            if figure == "calls":
                self._calls[plugin, tap] += number

    def _sum_up(self, tally: Tally, failures: Iterable[SeenFailure]) -> list[PluginFailures]:
        """The latest of each tap. For a thread: a recording may have 300 KB."""
        latest: Mapping[tuple[str, str], SeenFailure] = {(seen.plugin, seen.tap): seen for seen in failures}
        return [
            PluginFailures(
                plugin,
                tap,
                seen.error.reason,
                _make_storable(seen.error.message, _MESSAGE_MAX),
                _make_storable(seen.error.detail or "", _DETAIL_MAX),
                seen.sha256,
                seen.request_id,
                self._calls.pop((plugin, tap), 0),
                tally[plugin, tap, "failures"],
                _record(seen),
            )
            for (plugin, tap), seen in latest.items()
        ]


def _make_storable(text: str, length: int) -> str:
    text = text[:length]
    return text.encode(errors="replace").decode().replace("\x00", "�") if has_forbidden_text(text) else text


def _record(seen: SeenFailure) -> Any:
    """None where that is impossible, or the call holds what cannot be stored as it is."""
    try:
        recording = make_recording(seen.error.call)
        return None if rb"\u0000" in orjson.dumps(recording) else recording
    except (ValueError, TypeError, RecursionError) as error:
        log.warning("a failed call is not recorded", plugin=seen.plugin, error=type(error).__name__)
        return None

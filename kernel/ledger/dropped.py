"""Notes in the rows of jobs that their cache tags were dropped: a little later, many rows in one statement."""

import asyncio
from typing import Final
from uuid import UUID

from kernel.db.connect import DISCONNECTED
from kernel.db.pool import Database
from kernel.ledger.store import clear_drop_tags
from kernel.log import get_logger

log = get_logger(__name__)

# Far less than what the sweeper waits before it takes tags for forgotten.
_GATHER_S: Final = 0.05


class DroppedTags:
    """Of this process. What is lost with it the sweeper drops once more, which is harmless."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._numbers: dict[UUID, int] = {}
        self._later: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def note(self, job_id: UUID, number: int) -> None:
        """So many tags of the job, which its row holds, were dropped."""
        self._numbers[job_id] = self._numbers.get(job_id, 0) + number
        if self._later is None or self._later.done():
            self._later = asyncio.create_task(self._flush_later())

    async def flush(self) -> None:
        """What was noted until now is written when this returns, also what somebody else is just writing: a number
        that came late would be taken for that of the tags of the next step."""
        async with self._writing:
            numbers, self._numbers = self._numbers, {}
            if not numbers:
                return
            try:
                async with self._db.acquire() as conn:
                    await clear_drop_tags(conn, numbers)
            except DISCONNECTED as error:
                log.warning(
                    "dropped cache tags not noted, the sweeper repeats it", error=type(error).__name__
                )

    async def close(self) -> None:
        """Nothing is noted after this."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.gather(self._later, return_exceptions=True)
        await self.flush()

    async def _flush_later(self) -> None:
        while self._numbers:
            await asyncio.sleep(_GATHER_S)
            await self.flush()

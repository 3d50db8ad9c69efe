"""What submitting, running and sweeping jobs need: the truth, the queue, the messages and the cache."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel.config import Config
from kernel.db.pool import Database
from kernel.ledger.dropped import DroppedTags
from kernel.ledger.model import JobStatus
from kernel.queue import Queue
from kernel.shared.bus import Bus
from kernel.shared.cache import Cache

# Topics on the bus; each message holds the job's `id`, that of progress also `done`, `total` and `note`.
JOB_FINISHED: Final = "job-finished"
JOB_CANCELLED: Final = "job-cancelled"
JOB_PROGRESS: Final = "job-progress"


@dataclass(frozen=True, slots=True)
class Ledger:
    db: Database
    queue: Queue
    bus: Bus
    cache: Cache
    config: Config
    dropped: DroppedTags

    async def tell_waiter(self, job_id: UUID, status: JobStatus) -> None:
        await self.bus.publish(JOB_FINISHED, describe_end(job_id, status))


def describe_end(job_id: UUID, status: JobStatus) -> dict[str, str]:
    """The message on the topic JOB_FINISHED."""
    return {"id": str(job_id), "status": status.value}

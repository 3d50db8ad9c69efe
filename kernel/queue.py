"""Puts ledger jobs on arq and wakes the workers; the ids alone travel, the ledger holds everything else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
from arq import connections
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from arq.utils import timestamp_ms

from kernel.job_kind import JobKind, Lane
from kernel.log import get_logger

log = get_logger(__name__)

# What a Redis that is away, restarting or still loading makes its client raise.
REDIS_ERRORS: Final[tuple[type[Exception], ...]] = (
    connections.RedisError,  # type: ignore[attr-defined]  # arq's import; redis itself has another door
    OSError,
    TimeoutError,
)

# The name under which workers register their one function.
FUNCTION: Final = "run_job"

# How long Redis may take for one command. Not redis-py's own `socket_timeout`, which may swallow a cancellation.
COMMAND_S: Final = 2.0

# The topic of the message that wakes the workers of `lane`.
WORK_QUEUED: Final = "work-queued"

# A delivery that nobody took in this time is forgotten by Redis; the sweeper makes the next one.
EXPIRES_S: Final = 3600

# A lane is taken in the order of arrival; one step of priority is worth this much of waiting.
PRIORITY_STEP_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """`number` is counted in the job's row, so that no two deliveries of a job ever share an arq id: arq
    refuses an id for as long as a killed worker's mark for it lives."""

    job_id: UUID
    number: int
    kind: JobKind

    @property
    def arq_id(self) -> str:
        return f"{self.job_id}:{self.number}"


class Queue:
    """One sorted set for each lane, written in the form that arq's workers read."""

    def __init__(self, redis: ArqRedis, prefix: str) -> None:
        self.redis = redis
        self._prefix = prefix
        # The wire format is told in kernel/shared/bus.py; publishing here saves the round trip of its own.
        self._bus = f"{prefix}:bus"

    @classmethod
    async def open(cls, redis_url: str, prefix: str) -> "Queue":
        """Connects at the first use, so that a Redis that is away does not stop the start."""
        redis: ArqRedis = ArqRedis.from_url(redis_url, socket_connect_timeout=COMMAND_S)
        redis.job_serializer = orjson.dumps
        redis.job_deserializer = orjson.loads
        return cls(redis, prefix)

    async def close(self) -> None:
        await self.redis.aclose()

    def name(self, lane: Lane) -> str:
        return f"{self._prefix}:queue:{lane}"

    async def put(self, job_id: UUID, number: int, kind: JobKind) -> bool:
        """Whether Redis took it; when not, the sweeper repeats it from the ledger."""
        return await self.put_all([Delivery(job_id, number, kind)])

    async def put_all(self, deliveries: Sequence[Delivery], *, news: bytes | None = None) -> bool:
        """All of them and the wake-up in one round trip; putting a delivery twice is harmless. `news` is a message
        for the bus that everybody should hear first."""
        now_ms = timestamp_ms()
        try:
            async with asyncio.timeout(COMMAND_S), self.redis.pipeline(transaction=False) as pipe:
                if news is not None:
                    pipe.publish(self._bus, news)
                for delivery in deliveries:
                    body = serialize_job(
                        FUNCTION, (str(delivery.job_id),), {}, None, now_ms, serializer=orjson.dumps
                    )
                    pipe.psetex(job_key_prefix + delivery.arq_id, EXPIRES_S * 1000, body)
                    rank = now_ms - delivery.kind.priority * PRIORITY_STEP_MS
                    pipe.zadd(self.name(delivery.kind.lane), {delivery.arq_id: rank})
                for lane in sorted({delivery.kind.lane for delivery in deliveries}):
                    pipe.publish(self._bus, WORK_QUEUED.encode() + b"\n" + orjson.dumps({"lane": lane}))
                await pipe.execute()
        except REDIS_ERRORS as error:
            log.warning("jobs not queued, the sweeper repeats it", count=len(deliveries), error=repr(error))
            return False
        return True

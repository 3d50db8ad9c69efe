"""How arq is set up here: JSON, one function, one try, nothing kept; the ledger does the rest."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import orjson
from arq.worker import func

from kernel.job_kind import Lane
from kernel.jobs import JOB_KINDS
from kernel.queue import FUNCTION, Queue

# Beyond the time that the ledger gives an attempt: for claiming and recording it while PostgreSQL restarts.
_SLACK_S = 90.0


def make_worker_settings(
    queue: Queue, lane: Lane, slots: int, make: Callable[[UUID], Awaitable[None]]
) -> dict[str, Any]:
    """Arguments of arq's Worker for one lane; `make` makes one attempt at the job."""

    async def run_job(_ctx: dict[Any, Any], job_id: str) -> None:
        await make(UUID(job_id))

    function: Any = run_job  # arq's own type for it allows no arguments by name

    timeout_s = max(kind.timeout_s for kind in JOB_KINDS.values() if kind.lane == lane) + _SLACK_S
    return {
        "functions": [func(function, name=FUNCTION, max_tries=1, keep_result=0, timeout=timeout_s)],
        "queue_name": queue.name(lane),
        "redis_pool": queue.redis,
        "max_jobs": slots,
        "max_tries": 1,
        "retry_jobs": False,
        "keep_result": 0,
        "log_results": False,
        "job_serializer": orjson.dumps,
        "job_deserializer": orjson.loads,
        # Signals belong to the process, which has two of these.
        "handle_signals": False,
    }

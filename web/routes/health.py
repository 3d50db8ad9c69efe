"""Tells load balancers whether this process can serve."""

import asyncio
from typing import Any

from quart import Blueprint, Response, current_app

from kernel.cron.store import select_state
from kernel.db.connect import DISCONNECTED
from kernel.runtime import Runtime
from web.respond import NO_STORE, answer_json

blueprint = Blueprint("health", __name__)

# Less than the 100 ms that the whole answer may take.
PING_TIMEOUT_S = 0.08


def _runtime() -> Runtime:
    rt: Runtime = current_app.extensions["trovato"]
    return rt


@blueprint.get("/health")
async def show_health() -> Response:
    """200 while PostgreSQL and Redis both answer; a late cron is told of and changes nothing about that."""
    rt = _runtime()
    cron, redis = await asyncio.gather(_read_cron(rt), rt.shared.ping(PING_TIMEOUT_S))
    postgres = cron is not None
    if postgres and redis:
        return answer_json({"status": "healthy", "cron": cron}, headers=NO_STORE)
    state = {"status": "unhealthy", "postgres": postgres, "redis": redis}
    return answer_json(state, 503, NO_STORE)


@blueprint.get("/health/ready")
async def show_readiness() -> Response:
    """200 while PostgreSQL answers: pages are served without Redis too."""
    postgres = await _runtime().db.ping(PING_TIMEOUT_S)
    return answer_json({"ready": postgres}, 200 if postgres else 503, NO_STORE)


async def _read_cron(rt: Runtime) -> dict[str, Any] | None:
    """One row; None when PostgreSQL does not answer."""
    try:
        async with asyncio.timeout(PING_TIMEOUT_S), rt.db.acquire() as conn:
            state = await select_state(conn)
    except DISCONNECTED:
        return None
    return {"last_run": state.last_run, "late": state.is_late(rt.config.cron.late_s)}

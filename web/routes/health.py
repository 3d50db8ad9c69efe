"""Tells load balancers whether this process can serve."""

import asyncio

from quart import Blueprint, Response, current_app

from kernel.runtime import Runtime
from web.respond import answer_json

blueprint = Blueprint("health", __name__)

# Less than the 100 ms that the whole answer may take.
PING_TIMEOUT_S = 0.08


def _runtime() -> Runtime:
    rt: Runtime = current_app.extensions["trovato"]
    return rt


@blueprint.get("/health")
async def show_health() -> Response:
    """200 while PostgreSQL and Redis both answer."""
    rt = _runtime()
    postgres, redis = await asyncio.gather(rt.db.ping(PING_TIMEOUT_S), rt.shared.ping(PING_TIMEOUT_S))
    if postgres and redis:
        return answer_json({"status": "healthy"}, headers={"Cache-Control": "no-store"})
    state = {"status": "unhealthy", "postgres": postgres, "redis": redis}
    return answer_json(state, 503, {"Cache-Control": "no-store"})


@blueprint.get("/health/ready")
async def show_readiness() -> Response:
    """200 while PostgreSQL answers: pages are served without Redis too."""
    postgres = await _runtime().db.ping(PING_TIMEOUT_S)
    return answer_json({"ready": postgres}, 200 if postgres else 503, {"Cache-Control": "no-store"})

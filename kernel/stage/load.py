"""Stages, kept in each process until one changes."""

from typing import Final

from kernel.context import Context
from kernel.errors import NotFound
from kernel.runtime import Runtime
from kernel.stage.model import LIVE_STAGE, Stage
from kernel.stage.store import select_stages

STAGES_TAG: Final = "stages"


async def list_stages(rt: Runtime, _ctx: Context) -> tuple[Stage, ...]:
    """All of them, live first."""

    async def load() -> tuple[Stage, ...]:
        async with rt.db.acquire() as conn:
            return await select_stages(conn)

    return await rt.cache.remember("stages", [STAGES_TAG], rt.config.cache_ttl_s, load)


async def get_stage(rt: Runtime, ctx: Context, stage_id: str) -> Stage:
    """Raises NotFound, naming the stages that exist."""
    if stage_id == LIVE_STAGE.id:
        return LIVE_STAGE
    stages = await list_stages(rt, ctx)
    for stage in stages:
        if stage.id == stage_id:
            return stage
    raise NotFound(f"There is no stage {stage_id[:40]!r}. There are: {', '.join(s.id for s in stages)}.")

"""Asks for a change of the plugins from a command, and sees it through where no worker runs."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from kernel.context import Context
from kernel.errors import BadInput
from kernel.jobs import CHANGE_PLUGIN, SET_PLUGIN_SETTINGS, ChangePlugin, SetPluginSettings
from kernel.ledger.attempt import Attempts
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.lifecycle.change import run_change_plugin
from kernel.lifecycle.overview import find_row
from kernel.lifecycle.settings import run_set_plugin_settings
from kernel.lifecycle.source import Source, read_source, submit_install
from kernel.plugin.model import get_ceilings
from kernel.runtime import Runtime

# A worker may be on the same job, or on one that comes before it.
_TRY_AGAIN_S: Final = 1.0
_TRIES: Final = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """`notes` are things to know about a change that was made, one sentence each."""

    is_enabled: bool
    notes: tuple[str, ...]


async def install_source(
    rt: Runtime, ctx: Context, source: Source, *, enables: bool = True, dedupe_key: str | None = None
) -> Answer:
    """A new plugin, or another version of one. Raises BadInput with what is wrong, and then nothing was changed."""
    return await _see_through(
        rt, await submit_install(rt, ctx, source, enables=enables, dedupe_key=dedupe_key)
    )


async def change_plugin(rt: Runtime, ctx: Context, change: ChangePlugin) -> Answer:
    """Raises BadInput with what is wrong, and then nothing was changed."""
    return await _see_through(rt, await submit_job(rt.ledger, ctx, CHANGE_PLUGIN, change))


async def put_into_effect(rt: Runtime, ctx: Context, name: str) -> Answer:
    """What stands in the folder of plugins now is what the site runs when this returns. Raises BadInput, NotFound,
    ConfigError, PluginError."""
    source = await asyncio.to_thread(read_source, rt.config.plugins_dir, name, get_ceilings(rt.config))
    answer = await install_source(rt, ctx, source)
    if not answer.is_enabled:
        answer = await change_plugin(rt, ctx, ChangePlugin("enable", name))
    row = await find_row(rt, name)
    if row is None or (row.sha256, row.manifest) != (source.sha256, source.text):
        raise BadInput(f"Somebody else changed '{name}' meanwhile, so this version is not in effect.")
    if not answer.is_enabled:
        raise BadInput(" ".join((f"'{name}' is installed and does not run.", *answer.notes)))
    return answer


async def change_settings(rt: Runtime, ctx: Context, settings: SetPluginSettings) -> None:
    """Raises BadInput with what is wrong, and then nothing was set."""
    job = await _finish(rt, await submit_job(rt.ledger, ctx, SET_PLUGIN_SETTINGS, settings))
    problems = (job.result or {}).get("problems", {})
    if job.status is not JobStatus.DONE or problems:
        raise BadInput(" ".join(problems.values()) or f"Job {job.id} was {job.status}.")


async def _see_through(rt: Runtime, job_id: UUID) -> Answer:
    return _read_answer(await _finish(rt, job_id))


async def _finish(rt: Runtime, job_id: UUID) -> Job:
    """This process works on the job itself when nobody else does."""
    work = {
        CHANGE_PLUGIN.name: (CHANGE_PLUGIN, partial(run_change_plugin, rt)),
        SET_PLUGIN_SETTINGS.name: (SET_PLUGIN_SETTINGS, partial(run_set_plugin_settings, rt)),
    }
    attempts = Attempts(rt.ledger, work)
    for _ in range(_TRIES):
        await attempts.make(job_id)
        job = await wait_for_job(rt.ledger, job_id, _TRY_AGAIN_S)
        if job.is_finished:
            return job
    raise BadInput(f"Job {job_id} is not finished yet; look at it with `trovato jobs show {job_id}`.")


def _read_answer(job: Job) -> Answer:
    result = job.result or {}
    if job.status is not JobStatus.DONE:
        raise BadInput(str((job.error or {}).get("message") or f"Job {job.id} was {job.status}."))
    if result.get("outcome") != "done":
        raise BadInput(str(result.get("message")))
    # Trying again leaves a plugin as it is, and says nothing of that.
    return Answer(bool(result.get("enabled")), tuple(result["notes"]))

"""Brings the plugins of a folder into a site that is prepared: new ones, and new versions that ask for no more."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from kernel.context import Context
from kernel.jobs import CHANGE_PLUGIN
from kernel.ledger.attempt import Attempts
from kernel.ledger.model import Job, JobStatus
from kernel.ledger.wait import wait_for_job
from kernel.lifecycle.change import run_change_plugin
from kernel.lifecycle.compare import list_new_wishes
from kernel.lifecycle.source import Source, submit_install
from kernel.plugin.model import Installed, Manifest
from kernel.plugin.store import select_generation, select_installed
from kernel.runtime import Runtime

Report = Callable[[str], None]

# Another process may be working on the same job, or on one that comes before it.
_TRY_AGAIN_S: Final = 1.0
_TRIES: Final = 120


async def install_shipped(rt: Runtime, ctx: Context, sources: Sequence[Source], report: Report) -> None:
    """`sources` in an order in which each comes after what it needs. This process works on the jobs itself, since a
    site that is being prepared may have no worker yet."""
    attempts = Attempts(rt.ledger, {CHANGE_PLUGIN.name: (CHANGE_PLUGIN, partial(run_change_plugin, rt))})
    for source in sources:
        async with rt.db.acquire() as conn:
            generation = await select_generation(conn)
            installed = {row.name: row for row in await select_installed(conn)}
        row = installed.get(source.manifest.name)
        if row is not None and (row.sha256, row.manifest) == (source.sha256, source.text):
            continue
        more = list_new_wishes(_read_old(rt, row), source.manifest) if row is not None else ()
        if more and row is not None and row.manifest:
            report(
                f"Plugin {row.name}: version {source.manifest.version} asks for more and waits for you:"
                f" trovato plugin upgrade {row.name}"
            )
            continue
        key = _make_key(source, generation)
        job_id = await submit_install(rt, ctx, source, enables=True, dedupe_key=key)
        job: Job | None = None
        for _ in range(_TRIES):
            await attempts.make(job_id)
            job = await wait_for_job(rt.ledger, job_id, _TRY_AGAIN_S)
            if job.is_finished:
                break
        report(_tell(source, row, job))


def _read_old(rt: Runtime, row: Installed) -> Manifest | None:
    return next((manifest for manifest in rt.plugins.manifests if manifest.name == row.name), None)


def _make_key(source: Source, generation: int) -> str:
    """Two processes that prepare the same site at once ask for the same."""
    digest = hashlib.sha256(f"{source.sha256} {source.text}".encode()).hexdigest()
    return f"install {source.manifest.name} {digest} {generation}"


def _tell(source: Source, row: Installed | None, job: Job | None) -> str:
    name = source.manifest.name
    result = (job.result or {}) if job is not None else {}
    if job is not None and job.status is JobStatus.DONE and result.get("outcome") == "done":
        return f"Plugin {name}: {'installed' if row is None else 'brought up to date'}"
    error = ((job.error or {}) if job is not None else {}).get("message", "")
    return f"  {name} is left out: {result.get('message') or error or 'nobody finished its job'}"

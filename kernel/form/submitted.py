"""Tells plugins that a form was sent and its work done, after it happened."""

from kernel.form.taps import list_listeners
from kernel.form_jobs import SubmittedForm
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.tap.catalogue import FORM_SUBMIT
from kernel.tap.dispatch import dispatch
from kernel.tap.scope import TapScope
from kernel.user.load import load_again


async def run_form_taps(rt: Runtime, run: JobRun) -> None:
    """The work of a `run_form_taps` job. A plugin that fails is named in the result; the others still hear of it, and
    what they write comes to stand with the end of the job."""
    payload: SubmittedForm = run.payload
    told = {"form_id": payload.form_id, "values": payload.values}
    ran: list[str] = []
    failed: list[str] = []
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    async with TapScope(rt.plugins, ctx, job_id=run.job.id, effects=run.writes) as scope:
        for plugin in list_listeners(scope.registry, FORM_SUBMIT, payload.form_id):
            dispatched = await dispatch(scope, FORM_SUBMIT, plugin=plugin, extra=told)
            ran += [name for name, _ in dispatched.answers]
            failed += [str(failure) for failure in dispatched.failures]
    async with run.finish() as finish:
        finish.result = {"outcome": "done", "ran": ran, "failed": failed}

"""Closes and opens the site, for whoever may administer it."""

from kernel.ledger.run import JobRun
from kernel.maintenance.model import SETTING, check_message
from kernel.names import PAGES_TAG
from kernel.runtime import Runtime
from kernel.setting.access import ADMINISTER_SITE
from kernel.setting.store import upsert_setting
from kernel.setting.tag import setting_tag
from kernel.site_jobs import SetMaintenance
from kernel.user.load import load_again


async def run_set_maintenance(rt: Runtime, run: JobRun) -> None:
    """The work of a `set_maintenance` job. Pages that are kept for strangers go with it, since they are given out
    without asking."""
    payload: SetMaintenance = run.payload
    actor = await load_again(rt, run.ctx.actor)
    problem = check_message(payload.message)
    async with run.finish() as finish:
        if not actor.may(ADMINISTER_SITE):
            finish.result = {"outcome": "forbidden", "message": "You may not close or open this site."}
        elif problem:
            finish.result = {"outcome": "invalid", "problems": {"message": problem}}
        else:
            stored = {"is_on": payload.is_on, "message": payload.message}
            await upsert_setting(finish.conn, SETTING, stored)
            finish.drop_tags(setting_tag(SETTING), PAGES_TAG)
            finish.result = {"outcome": "done", "path": "/admin/maintenance"}

"""Changes the limits of the site, for whoever may administer it."""

from kernel.ledger.run import JobRun
from kernel.rate_limit.model import SETTING, check_limits, name_unknown
from kernel.runtime import Runtime
from kernel.setting.access import ADMINISTER_SITE
from kernel.setting.store import upsert_setting
from kernel.setting.tag import setting_tag
from kernel.site_jobs import SetRateLimits
from kernel.user.load import load_again


async def run_set_rate_limits(rt: Runtime, run: JobRun) -> None:
    """The work of a `set_rate_limits` job: all of them, or none and the reasons."""
    payload: SetRateLimits = run.payload
    actor = await load_again(rt, run.ctx.actor)
    limits, problems = check_limits(payload.limits)
    problems |= name_unknown(payload.limits)
    async with run.finish() as finish:
        if not actor.may(ADMINISTER_SITE):
            finish.result = {"outcome": "forbidden", "message": "You may not change the limits of this site."}
        elif problems:
            finish.result = {"outcome": "invalid", "problems": problems}
        else:
            await upsert_setting(finish.conn, SETTING, limits.as_setting())
            finish.drop_tags(setting_tag(SETTING))
            finish.result = {"outcome": "done", "path": "/admin/limits"}

"""The key in the address that starts cron from outside."""

import hmac
import secrets

from kernel.cron.store import find_key, set_key
from kernel.ledger.run import JobRun
from kernel.runtime import Runtime
from kernel.setting.access import ADMINISTER_SITE
from kernel.user.load import load_again


def make_key() -> str:
    return secrets.token_urlsafe(32)


async def find_cron_key(rt: Runtime) -> str | None:
    """That of the configuration, else the site's own; None before the site was prepared."""
    if rt.config.cron.key:
        return rt.config.cron.key
    async with rt.db.acquire() as conn:
        return await find_key(conn)


async def is_cron_key(rt: Runtime, sent: str) -> bool:
    """Takes the same time however much of it is right."""
    key = await find_cron_key(rt)
    # Bytes, since a text with other than ASCII characters makes compare_digest raise.
    return key is not None and hmac.compare_digest(sent.encode(errors="replace"), key.encode())


async def run_new_cron_key(rt: Runtime, run: JobRun) -> None:
    """The work of a `new_cron_key` job: the old key opens nothing any more."""
    actor = await load_again(rt, run.ctx.actor)
    if not actor.may(ADMINISTER_SITE):
        async with run.finish() as finish:
            finish.result = {"outcome": "forbidden", "message": "You may not change the key of cron."}
        return
    async with run.finish() as finish:
        await set_key(finish.conn, make_key())
        finish.result = {"outcome": "done", "path": "/admin/cron"}

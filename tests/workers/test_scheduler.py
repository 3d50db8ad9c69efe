"""Every worker asks for cron, whatever its clock says, and one job for each minute comes of it."""

from datetime import timedelta

import pytest

from kernel import clock
from kernel.app.open import open_kernel
from kernel.cron.store import select_now
from workers.scheduler import ask_for_cron


@pytest.mark.story("13.6")
@pytest.mark.parametrize("skew_s", [-86_400, -90, 3, 20 * 60, 5 * 3_600])
async def test_the_minute_is_the_databases(config, monkeypatch, skew_s):
    real = clock.now
    async with (
        open_kernel(config, role="worker", with_plugins=False) as right,
        open_kernel(config, role="worker", with_plugins=False) as wrong,
        right.db.acquire() as conn,
    ):
        before = await select_now(conn)
        await ask_for_cron(right)
        with monkeypatch.context() as machine:
            machine.setattr("kernel.clock.now", lambda: real() + timedelta(seconds=skew_s))
            wait_s = await ask_for_cron(wrong)
        after = await select_now(conn)
        slots = [row["slot"] for row in await conn.fetch("SELECT payload->>'slot' AS slot FROM job")]
    assert 0 < wait_s <= 60
    minutes = {moment.replace(second=0, microsecond=0).isoformat() for moment in (before, after)}
    assert set(slots) <= minutes
    # One, unless a minute has begun in between.
    assert len(slots) == len(set(slots)) >= 1

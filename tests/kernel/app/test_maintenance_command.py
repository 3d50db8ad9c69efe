"""The site is closed and opened by a command, with no worker to do it."""

import pytest

from kernel.maintenance.load import load_maintenance


@pytest.mark.timeout(60)
async def test_the_site_is_closed_and_opened(trovato, run_worker_here):
    closed = await trovato("maintenance", "on", "--message", "Back at noon.")
    assert (closed.status, closed.out) == (
        0,
        "The site is closed to visitors. Open it again: trovato maintenance off\n",
    )
    assert (await trovato("maintenance", "status")).out == "Closed: Back at noon.\n"
    refused = await trovato("maintenance", "on", "--message", "x" * 501)
    assert refused.status == 1
    assert "500 characters" in refused.err
    assert (await trovato("maintenance", "off")).out == "The site is open.\n"
    async with run_worker_here() as rt:
        assert not (await load_maintenance(rt)).is_on
        async with rt.db.acquire() as conn:
            told = await conn.fetch("SELECT action, actor_name FROM audit_event ORDER BY at")
    assert [row["action"] for row in told] == ["setting.maintenance_on", "setting.maintenance_off"]
    assert {row["actor_name"] for row in told} == {"the command line"}

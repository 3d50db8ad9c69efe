"""Dates and times are those of whoever reads them: people have a zone of their own, strangers share one."""

from datetime import UTC, datetime

import pytest

from kernel.form.token import build_form_token
from web.audit_view import read_chosen
from web.job_lists import read_filter

# Half past midnight of the next day in Rome.
AT = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)


async def test_people_read_times_in_their_zone_and_strangers_all_in_one(site):
    user = await site.make_user("ada", is_admin=True)
    session = await site.log_in(user)
    async with site.client(token=await site.make_token(user)) as program:
        path = (await program.post("/item/add/page", json={"title": "Bread"})).json()["path"]
    async with site.worker.db.transaction() as tx:
        await tx.conn.execute("UPDATE users SET created = $1 WHERE id = $2", AT, user.id)
        await tx.conn.execute("UPDATE item SET created = $1", AT)
    async with site.client(cookie=session.id) as browser, site.client() as stranger:

        async def choose(timezone):
            proof = {"form_token": build_form_token(session, "account")}
            return await browser.post("/user", data={**proof, "timezone": timezone})

        account = (await browser.get("/user")).text
        assert 'list="account-timezone-list" value=""' in account
        assert '<option value="America/New_York">America/New York</option>' in account
        assert 'title="1 January 2026, 23:30 UTC">1 January 2026<' in account

        for typed in ("Mars/North", "istanbul", "../etc", "Europe/Rome\r\nX: y"):
            refused = await choose(typed)
            assert refused.status_code == 422, typed
            assert 'aria-describedby="account-timezone-problem account-timezone-help"' in refused.text
        refused = await choose("Mars/North")
        assert "“Mars/North” is no time zone" in refused.text
        assert 'value="Mars/North"' in refused.text
        assert (await choose("rome")).status_code == 303

        # At once, on whichever page; machines are told in UTC.
        exact = '<time datetime="2026-01-01T23:30:00+00:00" title="2 January 2026, 00:30 CET">2 January 2026</time>'
        for page in ("/user", "/admin/people", path):
            assert exact in (await browser.get(page)).text, page
        # Where nobody has chosen, scripts tell it as the device does.
        async with site.worker.db.acquire() as conn:
            job = f"/job/{await conn.fetchval('SELECT id FROM job LIMIT 1')}?details"
        assert 'data-js="local-time"' not in (await browser.get(job)).text
        assert (await choose("")).status_code == 303
        assert 'data-js="local-time"' in (await browser.get(job)).text
        for _ in range(2):
            shown = (await stranger.get(path)).text
            assert 'title="1 January 2026, 23:30 UTC">1 January 2026<' in shown


@pytest.mark.parametrize(
    ("zone", "since", "until"),
    [
        ("UTC", "2026-03-29T00:00:00+00:00", "2026-03-30T00:00:00+00:00"),
        # A day of 23 hours.
        ("Europe/Rome", "2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00"),
        ("Mars/North", "2026-03-29T00:00:00+00:00", "2026-03-30T00:00:00+00:00"),
    ],
)
def test_a_day_that_is_asked_for_is_that_of_the_reader(zone, since, until):
    wanted = read_chosen({"since": "2026-03-29", "until": "2026-03-29"}, zone).wanted
    assert (wanted.since.isoformat(), wanted.until.isoformat()) == (since, until)
    assert read_filter({"since": "2026-03-29"}, zone).since == wanted.since

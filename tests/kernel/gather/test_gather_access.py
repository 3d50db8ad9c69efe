"""Listings where plugins decide about each item: full pages, honest numbers, and few calls."""

import pytest

from kernel.errors import NotFound
from kernel.gather import run as gather_run
from kernel.gather.model import RECENT_PAGES
from kernel.gather.run import run_gather
from kernel.tap.scope import TapScope

# Every third of 30 is hidden.
TITLES = [f"{number:02}{' deny-view' if number % 3 == 0 else ''}" for number in range(30)]
SHOWN = [title for title in TITLES if "deny" not in title]


async def run(access_site, person, number=1):
    rt = access_site.site.web
    async with rt.db.acquire() as conn, TapScope(rt.plugins, await access_site.make_context(person)) as scope:
        page = await run_gather(scope, conn, RECENT_PAGES, number)
    return [item.title for item in page.items], page


@pytest.mark.story("5.2")
async def test_pages_are_full_and_no_number_tells_what_is_hidden(access_site):
    await access_site.add_items(TITLES)
    titles, page = await run(access_site, "stranger")
    assert titles == SHOWN[:10]
    assert (page.total, page.is_capped, page.last_number, page.next_number) == (11, True, 2, 2)
    assert access_site.count_calls() == 2
    titles, page = await run(access_site, "stranger", 2)
    assert titles == SHOWN[10:]
    assert (page.total, page.is_capped, page.last_number, page.next_number) == (20, False, 2, None)
    for number in (3, 4, 10**8):
        with pytest.raises(NotFound):
            await run(access_site, "stranger", number)
    # Administrators are shown all, counted by the query.
    access_site.count_calls()
    titles, page = await run(access_site, "root", 3)
    assert titles == TITLES[20:]
    assert (page.total, page.is_capped, access_site.count_calls()) == (30, False, 0)


async def test_a_page_of_which_nothing_is_hidden_is_one_call(access_site):
    await access_site.add_items(SHOWN)
    titles, page = await run(access_site, "stranger")
    assert (titles, page.total, access_site.count_calls()) == (SHOWN[:10], 11, 1)


async def test_a_list_ends_where_too_many_would_have_to_be_asked_about(access_site, monkeypatch):
    monkeypatch.setattr(gather_run, "ASKED_MAX", 12)
    await access_site.add_items(TITLES)
    titles, page = await run(access_site, "stranger")
    assert titles == SHOWN[:8]
    assert (page.is_capped, page.next_number) == (True, None)
    with pytest.raises(NotFound):
        await run(access_site, "stranger", 3)


async def test_a_list_that_strangers_share_is_kept_with_what_was_decided(access_site):
    items = await access_site.add_items(["open", "deny-view"])
    async with access_site.client("anonymous") as visitor:
        first = await visitor.get("/recent-pages")
        assert ("open" in first.text, "deny-view" in first.text) == (True, False)
        assert access_site.count_calls() == 1
        again = await visitor.get("/recent-pages")
        assert (again.text, again.headers["ETag"]) == (first.text, first.headers["ETag"])
        assert access_site.count_calls() == 0
        # What is hidden is what was decided about, too.
        await access_site.site.web.cache.drop([items["deny-view"].tag])
        await visitor.get("/recent-pages")
        assert access_site.count_calls() == 1


async def test_a_list_on_which_a_plugin_failed_is_empty_and_not_kept(access_site):
    await access_site.add_items(["open", "break-view"])
    async with access_site.client("anonymous") as visitor:
        page = await visitor.get("/recent-pages")
        assert (page.status_code, "ETag" in page.headers, ">open<" in page.text) == (200, False, False)
        await visitor.get("/recent-pages")
        assert access_site.count_calls() == 2

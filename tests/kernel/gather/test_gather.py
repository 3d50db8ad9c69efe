"""Listings: what is shown, in which order, page by page, and that no value becomes SQL."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.context import Actor, Context
from kernel.errors import LoginRequired, NotFound
from kernel.gather.compile import compile_rows, escape_like
from kernel.gather.model import RECENT_PAGES, Gather
from kernel.gather.run import run_gather
from kernel.ids import uuid7
from kernel.item.model import Item
from kernel.item.store import insert_item
from kernel.tap.scope import TapScope

READER = Context(actor=Actor(permissions=frozenset({"access content"})))
EDITOR = Context(actor=Actor(is_admin=True))


@pytest.fixture
async def listed(site):
    """25 pages, the newest first in the list, then a draft and a post that do not belong."""
    user = await site.make_user("ada")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    async with site.worker.db.transaction() as tx:
        for number in range(27):
            item = Item(
                id=uuid7(),
                type="blog" if number == 26 else "page",
                title=f"{number:02} 100%_sure",
                author_id=user.id,
                status=0 if number == 25 else 1,
                promote=False,
                sticky=number == 3,
                created=start + timedelta(days=number),
                changed=start,
                fields={},
                revision_id=uuid7(),
            )
            await insert_item(tx.conn, item, user.id, "")
    return site


async def titles(site, ctx, gather, number=1):
    async with site.web.db.acquire() as conn:
        async with TapScope(site.web.plugins, ctx) as scope:
            page = await run_gather(scope, conn, gather, number)
    return [item.title[:2] for item in page.items], page


async def test_recent_pages_are_paged_newest_first(listed):
    first, page = await titles(listed, READER, RECENT_PAGES)
    assert first == [f"{n:02}" for n in range(24, 14, -1)]
    assert (page.total, page.last_number, page.previous_number, page.next_number) == (25, 3, None, 2)
    last, page = await titles(listed, READER, RECENT_PAGES, 3)
    assert last == ["04", "03", "02", "01", "00"]
    assert (page.previous_number, page.next_number) == (2, None)
    with pytest.raises(NotFound, match="This list has 3 pages"):
        await titles(listed, READER, RECENT_PAGES, 4)


async def test_the_page_in_a_browser_shows_the_same(listed):
    async with listed.client() as stranger:
        page = await stranger.get("/recent-pages?page=2")
        as_json = await stranger.get("/recent-pages?page=2", headers={"Accept": "application/json"})
    assert page.text.count('class="feed__title"') == 10
    assert [item["title"][:2] for item in as_json.json()["items"]] == [f"{n:02}" for n in range(14, 4, -1)]


async def test_sticky_items_come_first_where_the_listing_says_so(listed):
    first, _ = await titles(
        listed, READER, Gather("g", "G", "/", types=("page",), sticky_first=True, page_size=2)
    )
    assert first == ["03", "24"]


async def test_drafts_are_for_those_who_may_see_all_content(listed):
    gather = Gather("g", "G", "/", published_only=False, status=0)
    with pytest.raises(LoginRequired):
        await titles(listed, READER, gather)
    drafts, _ = await titles(listed, EDITOR, gather)
    assert drafts == ["25"]


@pytest.mark.parametrize(
    ("text", "count"), [("100%", 27), ("100%_s", 27), ("1__%", 0), ("'; DROP TABLE item; --", 0), ("\\", 0)]
)
async def test_a_text_to_look_for_means_itself(listed, text, count):
    _, page = await titles(listed, EDITOR, Gather("g", "G", "/", published_only=False, title_contains=text))
    assert page.total == count


def test_values_are_bound_and_never_written_into_the_text():
    query = compile_rows(
        Gather("g", "G", "/", types=("a'b", "c"), title_contains="x'y"), Actor(), offset=20, limit=10
    )
    assert "a'b" not in query.sql
    assert "x'y" not in query.sql
    assert query.arguments == [1, "%x'y%", "a'b", "c", 10, 20]
    assert escape_like("50%_\\") == "50\\%\\_\\\\"

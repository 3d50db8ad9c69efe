"""The plugin `audit_trail` through its artefact, on a site: its table, its page and who may see it."""

import re

import pytest

pytestmark = pytest.mark.long

COLUMNS = r"<td>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d</td><td>(\w+)</td><td>(.*?)</td><td>(\w+)</td><td>(.*?)</td>"


async def test_the_page_tells_whoever_may_know_who_changed_what(open_with):
    async with open_with("audit_trail") as owner:
        first = await owner.save("House style")
        second = await owner.save("House & style", of=first)
        await owner.delete(await owner.save("Gone"))
        session = await owner.site.log_in(await owner.site.make_user("zoe", is_admin=True))
        async with owner.site.client(cookie=session.id) as browser:
            page = await browser.get("/audit-trail")
        assert page.status_code == 200
        who = str(owner.ctx.actor.id)

        def link(title):
            return f'<a href="{second["path"]}">{title}</a>'

        assert re.findall(COLUMNS, page.text) == [
            ("deleted", "Gone", "page", who),
            ("created", page_link(page.text, "Gone"), "page", who),
            ("changed", link("House &amp; style"), "page", who),
            ("created", link("House style"), "page", who),
        ]


def page_link(html, title):
    return re.search(rf'<a href="/item/[^"]+">{title}</a>', html)[0]


async def test_nobody_else_sees_it(open_with):
    async with open_with("audit_trail") as owner:
        session = await owner.site.log_in(await owner.site.make_user("rita"))
        async with owner.site.client(cookie=session.id) as reader:
            assert (await reader.get("/audit-trail")).status_code == 403
            assert (await reader.get("/audit-trail/2")).status_code == 403

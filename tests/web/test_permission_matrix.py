"""The matrix of permissions: what changes is told before it does, and nobody writes over what somebody else changed."""

import re
from urllib.parse import urlencode

import pytest

from kernel.item_type.load import ITEM_TYPES_TAG
from kernel.people.grants import PERMISSIONS_PATH, read_grants
from kernel.people.permission import is_restricted
from kernel.people.store import list_counted_roles
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import grant_permission, insert_role
from tests.web.people_site import AdminSite, read_text
from web.permission_matrix import read_seen, write_seen

DRAFTS = "view unpublished content"


@pytest.fixture
async def office(site):
    return await AdminSite.open(site)


async def read_roles(office):
    async with office.site.worker.db.acquire() as conn:
        return {role.name: role.permissions for role in await list_counted_roles(conn)}


def read_matrix(html):
    """What a browser would send of the page."""
    rows = re.findall(r'name="shown" value="([^"]+)"', html)
    boxes = re.findall(
        r'type="checkbox" name="([0-9a-f-]{36})" value="([^"]+)"[^>]*?( checked)?( disabled)?>', html
    )
    sent = {"seen": re.search(r'name="seen" value="([^"]+)"', html)[1], "shown": rows}
    for role_id, name, checked, disabled in boxes:
        if checked and not disabled:
            sent.setdefault(role_id, []).append(name)
    return sent


@pytest.mark.story("2.6")
async def test_what_changes_is_told_then_done_and_a_restricted_permission_is_always_asked_about(office):
    editor = office.roles["editor"]
    async with office.browser("root") as browser:
        page = await browser.get(PERMISSIONS_PATH)
        assert "Content of the type Blog post" in page.text
        assert "create blog content" in page.text
        sent = read_matrix(page.text)
        sent[editor] = [*sent[editor], DRAFTS]
        sent[editor].remove("access content overview")
        asked = await browser.submit(PERMISSIONS_PATH, "permissions", **sent)
        assert asked.status_code == 200
        words = read_text(asked.text)
        assert "Change 2 permissions?" in words
        assert "editor gains See everybody's drafts loses Use the list of all content" in words
        assert (await read_roles(office))["editor"] == {"access content overview", "use api tokens"}
        again = dict(read_confirm(asked.text))
        done = await browser.submit(PERMISSIONS_PATH, "permissions", **read_confirm(asked.text))
        assert done.status_code == 303, done.text
        assert again["sure"] == ["1"]
        assert (await read_roles(office))["editor"] == {DRAFTS, "use api tokens"}
        sent = read_matrix((await browser.get(PERMISSIONS_PATH)).text)
        sent[editor].append("administer site")
        asked = await browser.submit(PERMISSIONS_PATH, "permissions", told="1", **sent)
        assert "far-reaching" in asked.text
        assert "administer site" not in (await read_roles(office))["editor"]


def read_confirm(html):
    form = html[html.index('<form class="form"') :]
    values = {}
    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form):
        if name != "form_token":
            values.setdefault(name, []).append(value)
    return values


async def test_who_was_slower_is_told_what_changed_and_keeps_what_was_ticked(office):
    editor = office.roles["editor"]
    async with office.browser("kit") as browser:
        page = await browser.get(PERMISSIONS_PATH, params={"filter": "drafts"})
        sent = read_matrix(page.text)
        assert sent["shown"] == [DRAFTS]
        async with office.site.worker.db.transaction() as tx:
            await grant_permission(tx.conn, "manager", "access content overview")
        answer = await browser.submit(PERMISSIONS_PATH, "permissions", told="1", **{**sent, editor: [DRAFTS]})
        assert answer.status_code == 409
        assert "manager gains Use the list of all content" in read_text(answer.text)
        fresh = read_matrix(answer.text)
        assert DRAFTS in fresh[editor]
        assert DRAFTS not in (await read_roles(office))["editor"]
        # Rows that are not shown stay as they are, and so does what only administrators give.
        done = await browser.submit(PERMISSIONS_PATH, "permissions", told="1", **fresh)
        assert done.status_code == 303, done.text
    roles = await read_roles(office)
    assert roles["editor"] == {"access content overview", "use api tokens", DRAFTS}
    assert roles["keeper"] == {"administer permissions"}


async def test_who_is_no_administrator_gives_no_restricted_permission_and_nothing_made_up_is_given(office):
    keeper = office.roles["keeper"]
    async with office.browser("kit") as browser:
        sent = read_matrix((await browser.get(PERMISSIONS_PATH)).text)
        assert "administer users" not in sent["shown"]
        forged = {**sent, "shown": [*sent["shown"], "administer users"], keeper: ["administer users"]}
        answer = await browser.submit(PERMISSIONS_PATH, "permissions", sure="1", **forged)
        assert answer.status_code == 403
        made_up = {**sent, "shown": ["fly"], keeper: ["fly"]}
        answer = await browser.submit(PERMISSIONS_PATH, "permissions", sure="1", **made_up)
        assert answer.status_code == 400
        for seen in ("", "AAAA", "é", write_seen({})[:-6]):
            answer = await browser.submit(PERMISSIONS_PATH, "permissions", seen=seen, shown=["fly"])
            assert answer.status_code == 400, seen
    assert (await read_roles(office))["keeper"] == {"administer permissions"}


async def test_permissions_of_a_plugin_that_is_gone_are_kept_and_stand_apart(office):
    async with office.site.worker.db.transaction() as tx:
        await grant_permission(tx.conn, "editor", "ride the old pony")
        seen = read_grants(await list_counted_roles(tx.conn))
    assert read_seen(write_seen(seen)) == seen
    async with office.browser("kit") as browser:
        words = read_text((await browser.get(PERMISSIONS_PATH)).text)
        assert words.index("Not used any more") < words.index("ride the old pony")
        why = await browser.get(
            "/admin/people/why", params={"person": "ed", "permission": "access content overview"}
        )
        told = read_text(why.text)
        assert "ed may do what “access content overview” allows." in told
        assert "The role “authenticated user” does not grant it." in told
        assert "The role “editor” grants it." in told


@pytest.mark.story("2.6")
async def test_the_matrix_stays_usable_with_200_permissions_and_10_roles(office):
    async with office.site.worker.db.transaction() as tx:
        for number in range(36):
            await tx.conn.execute(
                "INSERT INTO item_type (type, label) VALUES ($1, $2)", f"type_{number}", f"Type {number}"
            )
        for number in range(5):
            await insert_role(tx.conn, f"Helpers of the editorial office {number}")
    await office.site.worker.cache.drop([ITEM_TYPES_TAG, PERMISSIONS_TAG])
    async with office.browser("root") as browser:
        page = await browser.get(PERMISSIONS_PATH)
        roles = await read_roles(office)
        assert page.status_code == 200
        assert len(roles) == 10
        assert len(page.content) < 1_500_000
        sent = read_matrix(page.text)
        names = [name for name in sent["shown"] if not is_restricted(name)]
        assert len(sent["shown"]) >= 200
        # Everything that is not far-reaching is ticked, in every row and column.
        async with office.site.worker.db.acquire() as conn:
            ids = [str(role.id) for role in await list_counted_roles(conn)]
        full = {**sent, **{role_id: [*sent.get(role_id, ()), *names] for role_id in ids}}
        assert sum(len(value) for value in full.values() if isinstance(value, list)) > 2_000
        assert len(urlencode(full, doseq=True)) < 250_000
        asked = await browser.submit(PERMISSIONS_PATH, "permissions", **full)
        assert asked.status_code == 200
        done = await browser.submit(PERMISSIONS_PATH, "permissions", **read_confirm(asked.text))
        assert done.status_code == 303, done.text
        assert all(granted >= set(names) for granted in (await read_roles(office)).values())
        # Who looks for one sees one.
        found = await browser.get(PERMISSIONS_PATH, params={"filter": "create type_17 content"})
        assert read_matrix(found.text)["shown"] == ["create type_17 content"]
        assert len(found.content) < 100_000

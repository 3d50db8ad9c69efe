"""People are looked after by keyboard alone: found, added, blocked, explained, deleted with what they wrote."""

import pytest

from kernel.clock import now
from kernel.db.pool import Database
from kernel.form.token import build_form_token
from kernel.shared.connection import Shared
from kernel.shared.session import Sessions
from kernel.user.account import create_user
from kernel.user.store import find_user_by_name, grant_permission, insert_role
from tests.browser.keyboard import press_to_go, press_to_go_by, read_focus, skip_to_content, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
PEOPLE = "/admin/people"


@pytest.fixture
async def worker_db(site_config):
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    yield db
    await db.close()


@pytest.fixture
async def neighbours(worker_db):
    """Bo, Cleo and Dan, and a role with which somebody may write."""
    for name in ("Bo", "Cleo", "Dan"):
        await create_user(worker_db, name=name, password=None, mail=f"{name.lower()}@example.org")
    async with worker_db.transaction() as tx:
        await insert_role(tx.conn, "Writer")
        await grant_permission(tx.conn, "Writer", "create page content")
        await tx.conn.execute("UPDATE users SET access = $1 WHERE name = 'Cleo'", now())


async def list_names(page):
    return await page.locator("tbody .table__title").all_inner_texts()


async def test_people_are_administered_by_keyboard(run_site, open_page, neighbours, worker_db, site_config):
    async with run_site() as site, open_page(site, forgiven=("422",)) as page:
        await find_people(page)
        await add_person(page)
        await block_people(page)
        await ask_why(page)
        await write_something(site, worker_db, site_config)
        await delete_person(page)
        await keep_roles(page)


async def find_people(page):
    keys = page.keyboard
    await page.goto(PEOPLE)
    await skip_to_content(page)
    await tab_to(page, "Name or address contains")
    await keys.type("o@EXAMPLE")
    await press_to_go(page)
    assert await list_names(page) == ["Bo", "Cleo"]
    await skip_to_content(page)
    await tab_to(page, "Order")
    await keys.type("Last")
    await press_to_go_by(page, "Show")
    assert await list_names(page) == ["Cleo", "Bo"]
    await skip_to_content(page)
    await tab_to(page, "Role")
    await keys.type("Adm")
    await press_to_go_by(page, "Show")
    assert await page.get_by_role("heading", name="Nobody matches").is_visible()
    await skip_to_content(page)
    await press_to_go_by(page, "Show everybody")
    assert await list_names(page) == ["Ada", "Bo", "Cleo", "Dan"]


async def add_person(page):
    keys = page.keyboard
    await skip_to_content(page)
    await press_to_go_by(page, "Add a person")
    assert await read_focus(page) == "Username"
    await keys.type("Eve Ní Dhomhnaill")
    await tab_to(page, "Password")
    await keys.type("short")
    await press_to_go(page)
    # What was typed is there; the first faulty field has the focus and is told with its complaint.
    assert await read_focus(page) == "Password"
    assert "Use 10 characters or more" in await page.inner_text("#person-password-problem")
    assert "person-password-problem" in await page.get_by_label("Password").get_attribute("aria-describedby")
    assert await page.get_by_label("Username").input_value() == "Eve Ní Dhomhnaill"
    await tab_to(page, "Writer")
    await keys.press("Space")
    await press_to_go_by(page, "Add this person")
    await page.get_by_text("Eve Ní Dhomhnaill was added.").wait_for()
    await skip_to_content(page)
    await press_to_go_by(page, "Show a one-time link")
    assert "/user/login-link/" in await page.inner_text(".once__value")
    await skip_to_content(page)
    await tab_to(page, "Username")
    await keys.type("Eve")
    await press_to_go_by(page, "Save")
    await page.get_by_text("Eve was saved.").wait_for()
    row = page.locator("tbody tr", has=page.get_by_role("link", name="Eve", exact=True))
    assert await row.locator(".role-chip").all_inner_texts() == ["Writer"]


async def block_people(page):
    keys = page.keyboard
    await skip_to_content(page)
    await tab_to(page, "Choose Bo")
    await keys.press("Space")
    await tab_to(page, "Choose Dan")
    await keys.press("Space")
    assert await page.inner_text("[data-js=bulk-count]") == "2 chosen"
    await press_to_go_by(page, "Block")
    assert await page.get_by_role("heading", name="Block 2 people?").is_visible()
    await skip_to_content(page)
    await press_to_go_by(page, "Cancel")
    assert await page.locator("tbody .chip--bad").count() == 0
    await skip_to_content(page)
    await tab_to(page, "Choose Dan")
    await keys.press("Space")
    await press_to_go_by(page, "Block")
    await skip_to_content(page)
    await press_to_go_by(page, "Block this account")
    await page.get_by_text("1 account was blocked, and logged out everywhere.").wait_for()
    await skip_to_content(page)
    await tab_to(page, "Status")
    await keys.type("Blo")
    await press_to_go_by(page, "Show")
    assert await list_names(page) == ["Dan"]


async def ask_why(page):
    keys = page.keyboard
    await page.goto(f"{PEOPLE}/why")
    await skip_to_content(page)
    await tab_to(page, "Who")
    await keys.type("Nobody")
    await tab_to(page, "May they")
    await keys.type("See every")
    await press_to_go_by(page, "Explain")
    assert await read_focus(page) == "Who"
    assert await page.locator("#why-person-problem").inner_text() == "There is no account of this name."
    await keys.press("Control+A")
    await keys.type("Eve")
    await press_to_go(page)
    assert await page.inner_text(".verdict") == "Eve may not do what “view unpublished content” allows."
    steps = await page.locator(".steps li").all_inner_texts()
    assert any("Writer" in step for step in steps)


async def write_something(site, worker_db, site_config):
    """A page by Eve, so that there is something to decide about."""
    shared = await Shared.open(site_config.redis_url, site_config.redis_prefix)
    async with worker_db.acquire() as conn:
        eve = await find_user_by_name(conn, "Eve")
    session = await Sessions(shared, 600).create(user_id=eve.id)
    await shared.close()
    sent = {"form_token": build_form_token(session, "item_form"), "title": "Tulips", "status": "1"}
    body = {"field_body": "Red ones.", "field_body__format": "plain_text"}
    async with site.client(cookie=session.id) as client:
        answer = await client.post("/item/add/page", data={**sent, **body})
    assert answer.status_code == 303, answer.text


async def delete_person(page):
    keys = page.keyboard
    await page.goto(PEOPLE)
    await skip_to_content(page)
    await press_to_go_by(page, "Delete Eve")
    assert "Eve wrote 1 item on this site." in await page.inner_text(".panel__lead")
    heir = page.get_by_label("Username of the other person")
    assert not await heir.is_visible()
    await skip_to_content(page)
    await tab_to(page, "Keep it, by “deleted user”")
    await keys.press("ArrowDown")
    assert await heir.is_visible()
    await press_to_go_by(page, "Delete this account")
    assert await read_focus(page) == "Username of the other person"
    await keys.type("Cleo")
    await press_to_go(page)
    await page.get_by_text("Eve was deleted.").wait_for()
    assert "Eve" not in await list_names(page)
    await page.goto("/admin/content")
    assert "Cleo" in await page.get_by_role("row").filter(has_text="Tulips").inner_text()


async def keep_roles(page):
    keys = page.keyboard
    await page.goto(f"{PEOPLE}/roles")
    await skip_to_content(page)
    await tab_to(page, "Name")
    await keys.type("Writer")
    await press_to_go(page)
    assert await read_focus(page) == "Name"
    await keys.press("Control+A")
    await keys.type("Painter")
    await press_to_go(page)
    await page.get_by_text("The role “Painter” was added.").wait_for()
    await skip_to_content(page)
    await press_to_go_by(page, "Rename Painter")
    await skip_to_content(page)
    await tab_to(page, "Name")
    await keys.type("Sculptor")
    await press_to_go(page)
    await page.get_by_text("The role was renamed.").wait_for()
    await skip_to_content(page)
    await press_to_go_by(page, "Delete Sculptor")
    await skip_to_content(page)
    await press_to_go_by(page, "Delete this role")
    await page.get_by_text("The role “Sculptor” was deleted.").wait_for()

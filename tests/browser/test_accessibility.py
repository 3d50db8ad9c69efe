"""Every page that people see is looked at by axe, in the light and in the dark, wide and narrow."""

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pyotp
import pytest
from axe_playwright_python.async_playwright import Axe

from kernel.clock import now
from kernel.db.pool import Database
from kernel.people.grants import PERMISSIONS_PATH
from kernel.people.store import list_assignable_roles
from kernel.rate_limit.model import SETTING as LIMITS
from kernel.setting.store import upsert_setting
from kernel.shared.connection import Shared
from kernel.shared.session import Sessions
from kernel.user.account import create_user
from kernel.user.entry.store import SecondFactor, insert_second_factor
from kernel.user.link_token import digest_link_token, make_link_token
from kernel.user.password import hash_password
from kernel.user.proof.registration import SETTING as REGISTRATION
from kernel.user.proof.store import MailedLink, insert_link
from kernel.user.store import insert_role

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LOOKS = (
    {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
)
STRANGERS = ("/", "/user/login", "/user/password-reset", "/nothing-here")
PAGES = (
    "/admin",
    "/admin/style",
    "/admin/style?confirm=1",
    "/admin/content",
    "/item/add",
    "/item/add/blog",
    "/admin/tools",
    "/admin/tools/import",
    "/admin/tools/export",
    "/admin/jobs",
    "/jobs",
    "/admin/cron",
    "/admin/plugins",
    "/admin/plugins/blog",
    "/admin/mail",
    "/admin/limits",
    "/admin/maintenance",
    "/admin/audit",
    "/admin/maintenance",
    "/admin/people",
    "/admin/people/add",
    "/admin/people/roles",
    "/admin/people/permissions",
    "/admin/people/registration",
    "/admin/people/why",
    "/user",
    "/user/password",
    "/user/mail",
    "/user/sessions",
    "/user/second-factor",
    "/user/tokens",
)
# Answers that are no success are looked at too.
REFUSED = ("403", "404", "422", "429", "503")
ONCE = "/user/mail/check"
PASSWORD = "correct horse battery"
PERSON_PAGES = ("/admin/people/{id}", "/admin/people/{id}/delete", "/admin/people/{id}/tokens")


@dataclass(frozen=True, slots=True)
class Furnished:
    """What stands on the site: a role, somebody with a second factor and their session, and a link of each kind."""

    person_id: str
    role_id: str
    secret: str
    session_id: str
    links: dict[str, str]


@pytest.fixture
async def furnished(site_config, person):
    db = await Database.open(site_config.url_for_role("worker"), role="worker", max_size=1)
    bo = await create_user(db, name="Bo", password=PASSWORD, mail="bo@example.org")
    secret = pyotp.random_base32()
    links = {
        "reset": MailedLink("reset", user_id=bo.id),
        "address": MailedLink("address", user_id=person.id, mail="ada@example.org"),
        "register": MailedLink(
            "register", name="Cleo", mail="cleo@example.org", pass_hash=await hash_password(PASSWORD)
        ),
    }
    tokens = {name: make_link_token() for name in links}
    async with db.transaction() as tx:
        await insert_role(tx.conn, "Editor")
        (role,) = await list_assignable_roles(tx.conn)
        await insert_second_factor(tx.conn, SecondFactor(bo.id, secret, ()))
        for name, link in links.items():
            await insert_link(tx.conn, digest_link_token(tokens[name]), link, now() + timedelta(hours=1))
        await upsert_setting(tx.conn, REGISTRATION, "open")
        await upsert_setting(
            tx.conn, LIMITS, {"doors": {}, "routes": {f"GET {ONCE}": "1/day"}, "excluded": []}
        )
    await db.close()
    shared = await Shared.open(site_config.redis_url, site_config.redis_prefix)
    session = await Sessions(shared, 600).create(user_id=bo.id)
    await shared.close()
    return Furnished(str(person.id), str(role.id), secret, session.id, tokens)


async def list_faults_here(page, name):
    """As sentences, each with the part of the page that it is about."""
    results = await Axe().run(page)
    return [
        f"{name}: {fault['id']} ({fault['help']}): {node['target']}"
        for fault in results.response["violations"]
        for node in fault["nodes"]
    ]


async def list_faults(page, path):
    await page.goto(path)
    return await list_faults_here(page, path)


async def list_faults_after(page, path, *, press, title, **fields):
    """Of the answer to a form that was filled in, whose title is known."""
    await page.goto(path)
    for name, text in fields.items():
        await page.locator(f"main [name={name}]").first.fill(text)
    async with page.expect_navigation():
        await page.get_by_role("button", name=press, exact=True).first.click()
    assert title in await page.title()
    return await list_faults_here(page, f"{path}, sent")


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
async def test_no_page_has_a_fault_that_axe_finds(run_site, open_page, browser, furnished, look):
    faults = []
    async with run_site(environment={"RATE_LIMITS": "true"}) as site:
        async with open_page(site, forgiven=REFUSED, **look) as page:
            for path in (*PAGES, *(path.format(id=furnished.person_id) for path in PERSON_PAGES)):
                faults += await list_faults(page, path)
            faults += await look_at_answers(page, furnished)
            async with open_other(browser, site, look, furnished.session_id) as limited:
                faults += await look_at_second_factor(limited, furnished)
            async with open_other(browser, site, look) as stranger:
                faults += await look_as_stranger(stranger, furnished)
                await close_site(page)
                faults += await list_faults(stranger, "/")
                assert await stranger.title() == "We will be back soon – Trovato"
    assert not faults, "\n".join(faults)


@asynccontextmanager
async def open_other(browser, site, look, session_id=""):
    base = f"http://127.0.0.1:{site.port}"
    context = await browser.new_context(base_url=base, **look)
    if session_id:
        await context.add_cookies([{"name": "trovato", "value": session_id, "url": base, "httpOnly": True}])
    yield await context.new_page()
    await context.close()


async def look_at_answers(page, furnished):
    """What an administrator sees when something is asked, refused or wrong."""
    role = f"/admin/people/roles/{furnished.role_id}"
    faults = await list_faults(page, role) + await list_faults(page, f"{role}/delete")
    faults += await list_faults(page, f"/user/mail/{furnished.links['address']}")
    faults += await list_faults(page, "/admin/people/why?person=Bo&permission=administer+users")
    faults += await list_faults(page, "/admin/people/why?person=Nobody&permission=administer+users")
    faults += await list_faults(page, "/admin/audit?person=nobody")
    for path, press, title, fields in (
        ("/admin/people/add", "Add this person", "Add a person", {"name": "Bo", "password": "short"}),
        ("/admin/people/roles", "Add this role", "Roles", {"name": "Editor"}),
        ("/admin/limits", "Save the limits", "Limits", {"login": "often"}),
        (
            "/user/tokens",
            "Make the token",
            "API tokens",
            {"label": "Import"} | dict.fromkeys(["current"], "x"),
        ),
        (
            "/user/password",
            "Change password",
            "password",
            dict.fromkeys(["current", "password", "again"], "short"),
        ),
        ("/user/second-factor", "Go on", "Second factor", {"current": PASSWORD}),
    ):
        faults += await list_faults_after(page, path, press=press, title=title, **fields)
    await page.goto("/admin/people")
    await page.get_by_label("Choose Bo").check()
    async with page.expect_navigation():
        await page.get_by_role("button", name="Block", exact=True).click()
    faults += await list_faults_here(page, await page.title())
    await page.goto(PERMISSIONS_PATH)
    await page.get_by_label("Editor: Make, change, block and delete accounts").check()
    await page.evaluate("document.querySelector('[name=told]').value = ''")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Save permissions").click()
    assert await page.get_by_role("button", name="Change it").is_visible()
    return faults + await list_faults_here(page, "permissions, asked")


async def look_at_second_factor(page, furnished):
    """What somebody sees who has one, and may do nothing else."""
    faults = await list_faults(page, "/admin/people")
    assert await page.title() == "You may not do this – Trovato"
    faults += await list_faults(page, "/user/second-factor")
    code = pyotp.TOTP(furnished.secret).now()
    faults += await list_faults_after(
        page,
        "/user/second-factor/recovery-codes",
        press="Make new codes",
        title="recovery codes",
        current=PASSWORD,
        code=code,
    )
    assert await page.locator(".factor__codes li").count() > 5
    return faults


async def look_as_stranger(page, furnished):
    faults = []
    links = furnished.links
    pages = (
        "/user/register",
        f"/user/password-reset/{links['reset']}",
        f"/user/register/{links['register']}",
    )
    for path in (
        *STRANGERS,
        *pages,
        f"/user/mail/{links['address']}",
        "/user/password-reset/gone",
        ONCE,
        ONCE,
    ):
        faults += await list_faults(page, path)
    assert await page.title() == "Too many requests – Trovato"
    fields = {"name": "Bo", "mail": "no address", "password": PASSWORD, "again": "another one"}
    faults += await list_faults_after(
        page, "/user/register", press="Create the account", title="Create an account", **fields
    )
    faults += await list_faults_after(
        page, "/user/login", press="Log in", title="Log in", name="Bo", password="wrong"
    )
    return faults + await list_faults_after(
        page, "/user/login", press="Log in", title="code", name="Bo", password=PASSWORD
    )


async def close_site(page):
    await page.goto("/admin/maintenance")
    for _ in range(2):
        async with page.expect_navigation():
            await page.locator("main .form-actions button").first.click()


async def test_a_question_is_asked_in_a_dialog_by_keyboard_alone(run_site, open_page):
    async with run_site() as site, open_page(site) as page:
        await page.goto("/admin/style")
        link = page.get_by_role("link", name="Ask in a dialog")
        await link.focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Delete “An example”?")
        await dialog.wait_for()
        await page.keyboard.press("Escape")
        await dialog.wait_for(state="detached")
        assert await link.evaluate("link => link === document.activeElement")
        await link.press("Enter")
        await dialog.get_by_role("button", name="Delete").press("Enter")
        message = page.get_by_text("That is how a saved form answers.")
        await message.wait_for()
        await page.get_by_role("status").get_by_role("button", name="Dismiss").first.press("Enter")
        await message.wait_for(state="detached")


async def test_what_depends_on_an_answer_comes_and_goes_with_it(run_site, open_page):
    async with run_site() as site, open_page(site) as page:
        await page.goto("/admin/style")
        street = page.get_by_label("Street")
        assert not await street.is_visible()
        await page.get_by_label("Send it by post").check()
        assert await street.is_enabled()
        await page.get_by_label("Send it by post").uncheck()
        assert not await street.is_visible()
        assert await street.is_disabled()

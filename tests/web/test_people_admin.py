"""The administration of people: the list, accounts, who may change whom, and that the site keeps an administrator."""

import re
from dataclasses import replace

import pytest

from kernel.form.token import build_form_token
from kernel.people.permission import ADMINISTER_USERS
from kernel.people.store import find_person, insert_grants, list_assignable_roles
from kernel.shared.session import Sessions
from kernel.user.store import assign_role, insert_role
from tests.web.people_site import AdminSite


@pytest.fixture
async def office(site):
    """Root is an administrator, Mia may administer users, Ed has a role without far-reaching permissions."""
    return await AdminSite.open(site)


async def test_a_person_is_added_found_changed_and_blocked(office):
    async with office.browser("root") as browser:
        page = await browser.get("/admin/people/add")
        assert page.status_code == 200
        sent = await browser.submit(
            "/admin/people/add", "person", name=" Nora  Ey ", mail="nora@example.org", active="1", roles=[office.roles["editor"]]
        )
        assert sent.status_code == 303, sent.text
        nora = await office.find("Nora Ey")
        assert sent.headers["Location"] == f"/admin/people/{nora.id}"
        assert [role.name for role in nora.roles] == ["editor"]
        found = await browser.get("/admin/people", params={"text": "NORA@", "role": office.roles["editor"]})
        assert "Nora Ey was added." in found.text
        assert "1 account" in found.text
        session = await office.site.log_in(nora.user)
        sent = await browser.submit(f"{nora.path}/edit", "person", seen=nora.digest(), name="Nora Ey")
        assert sent.status_code == 303, sent.text
        nora = await office.find("Nora Ey")
        assert (nora.user.is_active, nora.user.mail, nora.roles) == (False, None, ())
    sessions = Sessions(office.site.web.shared, 600)
    assert (await sessions.load(session.id))[0] is None

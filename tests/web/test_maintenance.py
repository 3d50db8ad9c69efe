"""An administrator closes the site and opens it again, in the browser and by a program."""

from kernel.form.token import build_form_token

PATH = "/admin/maintenance"


async def test_the_site_is_closed_and_opened_again_in_the_browser(site):
    root = await site.make_user("root", is_admin=True)
    session = await site.log_in(root)
    async with site.client() as visitor, site.client(cookie=session.id) as admin:

        async def send(**values):
            return await admin.post(
                PATH, data={"form_token": build_form_token(session, "maintenance"), **values}
            )

        assert "The site is open now." in (await admin.get(PATH)).text
        too_long = await send(message="x" * 501)
        assert too_long.status_code == 422
        assert "is 501 characters long; 500 are allowed at most" in too_long.text
        old = await send(message="Kept words", form_token="old")
        assert (old.status_code, "Kept words" in old.text) == (403, True)

        asked = await send(message="Back at <noon>.\n")
        assert asked.status_code == 200
        assert "Close the site?" in asked.text
        assert "“Back at &lt;noon&gt;.”" in asked.text
        assert (await visitor.get("/")).status_code == 200

        assert (await send(message="Back at <noon>.", sure="1")).headers["Location"] == PATH
        closed = await visitor.get("/")
        assert (closed.status_code, "Back at &lt;noon&gt;." in closed.text) == (503, True)
        for path in ("/admin", "/admin/people", "/user", "/", PATH):
            page = (await admin.get(path)).text
            assert "The site is closed: maintenance is on" in page, path
        # Another message needs no question: nobody is kept out by it who was not before.
        assert (await send(message="Back at one.")).status_code == 303
        assert "Back at one." in (await visitor.get("/")).text
        assert "Back at one." in (await admin.get(PATH)).text

        assert (await send(open="1")).status_code == 303
        assert (await visitor.get("/")).status_code == 200
        assert "maintenance is on" not in (await admin.get("/admin")).text
    async with site.worker.db.acquire() as conn:
        noted = await conn.fetch("SELECT actor_id, action, details FROM audit_event ORDER BY id")
    assert [(row["actor_id"], row["action"], row["details"]["message"]) for row in noted] == [
        (root.id, "setting.maintenance_on", "Back at <noon>."),
        (root.id, "setting.maintenance_on", "Back at one."),
        (root.id, "setting.maintenance_off", ""),
    ]


async def test_a_program_closes_the_site_and_is_told_what_is_wrong(site):
    token = await site.make_token(await site.make_user("root", is_admin=True))
    async with site.client(token=token) as program, site.client() as visitor:
        for document, problems in (
            ({}, {"is_on"}),
            ({"is_on": "yes", "message": 3, "until": "noon"}, {"is_on", "message", "until"}),
            ({"is_on": True, "message": "x" * 501}, {"message"}),
        ):
            refused = await program.post(PATH, json=document)
            assert refused.status_code == 422, document
            assert set(refused.json()["error"]["problems"]) == problems
        assert (await visitor.get("/")).status_code == 200
        done = await program.post(PATH, json={"is_on": True, "message": "Back at noon."})
        assert done.json() == {"message": "The site is closed. Visitors read your message."}
        told = (await visitor.get("/", headers={"Accept": "application/json"})).json()
        assert told["error"]["message"] == "Back at noon."
        assert (await program.post(PATH, json={"is_on": False})).json() == {"message": "The site is open."}
        assert (await visitor.get("/")).status_code == 200

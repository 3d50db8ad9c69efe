"""Variables for the pages about mail, and about what people prove by it."""

from uuid import UUID

from kernel.clock import now
from kernel.context import Actor
from kernel.form.proof_forms import build_register_form, build_registration_form, build_reset_form
from kernel.form.render import render_form
from kernel.ids import uuid7
from kernel.mail.store import MailRow
from kernel.user.proof.store import Waiting
from web.mail_view import describe_mail
from web.routes.admin.mail import TABS

STRANGER = Actor()
SITE = "http://localhost:3000"


def make_row(status, **changes):
    row = {
        "id": uuid7(),
        "recipient": "ada@example.org",
        "subject": "A new password for Gazzetta di Lucca",
        "kind": "password_reset",
        "status": status,
        "error": "",
        "text": f"Hello Ada,\n\n{SITE}/user/password-reset/abc\n\n-- \n{SITE}\nhttps://evil.example/",
        "html": None,
        "good_until": None,
        "created": now(),
        "sent": None,
        **changes,
    }
    return describe_mail(MailRow(**row), site_url=SITE)


def make_mail_pages(renderer, session, common):
    def form(built, **given):
        return render_form(renderer, built, session=session, **given)

    log = {**common("Mail", path="/admin/mail"), "tabs": TABS, "shown": "", "is_first": True}
    log |= {"is_sent": True, "sender": "Gazzetta <site@example.org>", "next_before": str(UUID(int=7))}
    refused = "The mail server refuses this mail: 550 no such user"
    rows = [
        make_row("waiting", error="The mail server cannot be used: refused"),
        make_row("failed", error=refused),
        make_row("sent", sent=now(), text=None),
        make_row("late", text=None),
    ]
    yield "mail", "admin/mail.html", {**log, "rows": rows}
    kept = {**log, "rows": [make_row("kept")], "is_sent": False, "next_before": ""}
    yield "mail_kept", "admin/mail.html", kept
    yield "mail_empty", "admin/mail.html", {**log, "rows": [], "shown": "sent", "next_before": ""}
    settings = {
        **common("Registration", breadcrumbs=[("People", "/admin/people")]),
        "form": form(build_registration_form("approval")),
    }
    waiting = [Waiting(UUID(int=8), "Bruna", "bruna@example.org", now())]
    yield "registration", "admin/registration.html", {**settings, "waiting": waiting}
    yield "registration_nobody", "admin/registration.html", {**settings, "waiting": []}
    page = {**common("Create an account", actor=STRANGER), "lead": "", "texts": ()}
    page |= {"go_on": ("Back to the login", "/user/login")}
    wrong = {"mail": "'x' is no e-mail address. Write it like ada@example.org."}
    yield "register", "user/proof.html", {**page, "form": form(build_register_form(), problems=wrong)}
    yield "reset", "user/proof.html", {**page, "lead": "For Ada.", "form": form(build_reset_form("t"))}
    yield "check_mail", "user/proof.html", {**page, "form": "", "texts": ["A mail is on its way.", "Or not."]}

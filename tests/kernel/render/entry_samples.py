"""Variables for the pages of a login's second step, of sessions and of the second factor."""

from datetime import timedelta

from kernel.clock import now
from kernel.context import Actor
from kernel.form.login_forms import (
    build_begin_form,
    build_disable_form,
    build_login_code_form,
    build_recovery_form,
    build_setup_form,
)
from kernel.form.render import render_form
from kernel.shared.session import Client, OwnSession
from kernel.user.entry.code import draw_secret

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def make_entry_pages(renderer, session, common):
    def form(built, **given):
        return {"form": render_form(renderer, built, session=session, **given)}

    enter = common("Enter your code", actor=Actor())
    wrong = {"": "This code is not right, or was used before. Type the one that is shown now."}
    yield "login_code", "user/login_code.html", {**enter, **form(build_login_code_form(), problems=wrong)}
    seen, client = now() - timedelta(hours=2), Client("Firefox on Linux", "2001:db8:0:1:2:3:4:5")
    rows = [
        OwnSession("mine", client, seen - timedelta(days=20), seen, is_remembered=True),
        OwnSession("other", Client(), seen, seen, is_remembered=False),
    ]
    listed = {**common("Where you are logged in", path="/user/sessions"), "rows": rows, "mine": "mine"}
    yield "sessions", "user/sessions.html", listed
    page = common("Second factor", path="/user/second-factor")
    begin = {**page, **form(build_begin_form(has_password=True))}
    yield "second_factor_begin", "user/second_factor_begin.html", begin
    yield (
        "second_factor_setup",
        "user/second_factor_setup.html",
        {
            **page,
            **form(build_setup_form()),
            "picture": draw_secret(SECRET, site_name="The Garden Gazette", user_name="Ada"),
            "secret": SECRET,
        },
    )
    for left in (0, 1, 10):
        shown = {**page, **form(build_disable_form(has_password=left > 0)), "left": left}
        yield f"second_factor_{left}", "user/second_factor.html", shown
    fresh = {**page, **form(build_recovery_form(has_password=True)), "left": 1}
    yield "recovery_codes_new", "user/recovery_codes_new.html", fresh
    for is_saved in (True, False):
        codes = {"codes": ["ABCDE-FGHJK-LMNPQ"] * 10, "told": "They count from now.", "is_saved": is_saved}
        shown = {**common("Your recovery codes"), **codes}
        yield f"recovery_codes_{is_saved}", "user/recovery_codes.html", shown

"""Closes the site to visitors for a while and opens it again, with what they are told meanwhile."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import Invalid, StaleForm
from kernel.form.build import build_form
from kernel.form.model import Element, Form, Submission
from kernel.form.render import render_form
from kernel.form.validate import read_values, validate_form
from kernel.maintenance.load import load_maintenance
from kernel.maintenance.model import MESSAGE, MESSAGE_MAX, Maintenance
from kernel.setting.access import ADMINISTER_SITE
from kernel.site_jobs import SET_MAINTENANCE, SetMaintenance
from web.guard import Submitted, changing_route
from web.maintenance import PATH
from web.respond import answer_json, redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("admin_maintenance", __name__)

FORM_ID: Final = "maintenance"
CLOSED: Final = "The site is closed. Visitors read your message."
OPENED: Final = "The site is open."


def _may_administer(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_SITE)


@blueprint.get(PATH)
async def show_maintenance() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_SITE)
    return await _show(visit, {}, {})


async def _redisplay(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    raw = read_values(_build_form(await load_maintenance(visit.rt)), submitted).raw
    return await _show(visit, raw, {"": stale.message}, stale.status)


@changing_route(blueprint, PATH, form_id=FORM_ID, access=_may_administer, redisplay=_redisplay)
async def set_maintenance(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """A document has `is_on` and perhaps `message`. In the browser, closing is asked about once more."""
    visit = current_visit()
    if submitted is None:
        wanted = _read_document(document or {})
        job = await submit_and_wait(visit, SET_MAINTENANCE, wanted, None)
        if not job.is_finished:
            return answer_unfinished(job, as_json=True)
        raise_refusal(read_result(job))
        return answer_json({"message": CLOSED if wanted.is_on else OPENED})
    now = await load_maintenance(visit.rt)
    submission = validate_form(_build_form(now), visit.session, submitted)
    if submission.problems:
        return await _show(visit, submission.raw, submission.problems, Invalid.status)
    is_on = not submission.values["open"]
    if is_on and not now.is_on and not submission.values["sure"]:
        return await _ask(visit, submission)
    wanted = SetMaintenance(is_on, submission.values["message"].strip() if is_on else "")
    job = await submit_and_wait(visit, SET_MAINTENANCE, wanted, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    raise_refusal(read_result(job))
    text = CLOSED if is_on else f"{OPENED} Visitors are let in again."
    await visit.sessions.add_flash(await visit.need_session(), "success", text)
    return redirect_after_change(PATH)


def _read_document(document: Mapping[str, Any]) -> SetMaintenance:
    """Raises Invalid with every mistake. How long a message may be is for the worker to say."""
    is_on, message = document.get("is_on"), document.get("message", "")
    problems = {str(key)[:64]: "There is no such key." for key in document if key not in {"is_on", "message"}}
    if not isinstance(is_on, bool):
        problems["is_on"] = "is_on must be true or false."
    if not isinstance(message, str):
        problems["message"] = "The message must be text."
    if problems:
        raise Invalid(problems)
    return SetMaintenance(bool(is_on), message)


def _build_form(now: Maintenance) -> Form:
    """`sure` comes from the page that asks once more, `open` from the button of a site that is closed."""
    return build_form(
        FORM_ID,
        action=PATH,
        title="Maintenance",
        submit="Save the message" if now.is_on else "Close the site…",
        elements=[
            Element(
                "textarea",
                "message",
                "What visitors read meanwhile",
                help=f"{MESSAGE_MAX} characters at most. Without one it is “{MESSAGE}”",
                default=now.message if now.is_on else "",
                max_length=MESSAGE_MAX,
                rows=3,
            ),
            Element("hidden", "sure"),
            *([Element("submit", "open", "Open the site")] if now.is_on else [Element("hidden", "open")]),
        ],
    )


async def _ask(visit: Visit, submission: Submission) -> Response:
    message = submission.values["message"].strip()
    form = build_form(
        FORM_ID,
        action=PATH,
        submit="Close the site",
        cancel=PATH,
        danger=True,
        intro=f"Whoever visits it is told: “{message or MESSAGE}”",
        elements=[Element("hidden", "message", default=message), Element("hidden", "sure", default="1")],
    )
    session = await visit.need_session()
    return await show_page(
        "admin/maintenance.html",
        title="Close the site?",
        breadcrumbs=[("Maintenance", PATH)],
        is_asked=True,
        is_on=False,
        form=render_form(visit.rt.renderer, form, session=session),
    )


async def _show(
    visit: Visit, values: Mapping[str, Any], problems: Mapping[str, str], status: int = 200
) -> Response:
    now = await load_maintenance(visit.rt)
    session = await visit.need_session()
    form = render_form(
        visit.rt.renderer, _build_form(now), session=session, values={**values, "sure": ""}, problems=problems
    )
    return await show_page(
        "admin/maintenance.html",
        title="Maintenance",
        status=status,
        is_asked=False,
        is_on=now.is_on,
        form=form,
    )

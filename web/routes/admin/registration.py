"""Who may register, and who of those that did waits to be let in."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import BadInput, Invalid
from kernel.form.proof_forms import build_registration_form
from kernel.form.render import render_form
from kernel.form.validate import validate_form
from kernel.ids import parse_uuid
from kernel.mail_jobs import DECIDE_REGISTRATION, SET_REGISTRATION, DecideRegistration, SetRegistration
from kernel.people.permission import ADMINISTER_USERS
from kernel.user.proof.letters import WAITING_PATH
from kernel.user.proof.registration import load_registration_mode
from kernel.user.proof.store import list_waiting
from web.guard import Submitted, changing_route
from web.respond import redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("admin_registration", __name__)

SHOWN: Final = 100


def _may_administer(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_USERS)


@blueprint.get(WAITING_PATH)
async def show_registration() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_USERS)
    return await _show(visit)


async def _show(visit: Visit, problems: dict[str, str] | None = None, status: int = 200) -> Response:
    mode = await load_registration_mode(visit.rt)
    session = await visit.need_session()
    form = build_registration_form(mode)
    return await show_page(
        "admin/registration.html",
        title="Registration",
        breadcrumbs=[("People", "/admin/people")],
        status=status,
        form=render_form(visit.rt.renderer, form, session=session, problems=problems or {}),
        waiting=await list_waiting(await visit.conn(), SHOWN),
    )


@changing_route(blueprint, WAITING_PATH, form_id="registration_setting", access=_may_administer)
async def set_registration(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    form = build_registration_form(await load_registration_mode(visit.rt))
    submission = validate_form(form, visit.session, submitted or {})
    if submission.problems:
        return await _show(visit, submission.problems, Invalid.status)
    job = await submit_and_wait(visit, SET_REGISTRATION, SetRegistration(submission.values["mode"]), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    raise_refusal(read_result(job))
    return await _go_back(visit, "Saved.")


@changing_route(blueprint, f"{WAITING_PATH}/decide", form_id="registration_decide", access=_may_administer)
async def decide(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    sent = submitted or {}
    user_id = parse_uuid((sent.get("person") or [""])[-1])
    decision = (sent.get("decision") or [""])[-1]
    if user_id is None or decision not in {"approve", "refuse"}:
        raise BadInput("Say who is meant, and whether they are let in.")
    payload = DecideRegistration(user_id, approves=decision == "approve")
    job = await submit_and_wait(visit, DECIDE_REGISTRATION, payload, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    raise_refusal(result)
    done = "may log in now and was told so by mail" if payload.approves else "was not let in"
    return await _go_back(visit, f"{result['name']} {done}.")


async def _go_back(visit: Visit, text: str) -> Response:
    await visit.sessions.add_flash(await visit.need_session(), "success", text)
    return redirect_after_change(WAITING_PATH)

"""One's own account: who one is here, and where the rest of it is."""

from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import Invalid, StaleForm
from kernel.form.render import render_form
from kernel.form.validate import read_values, validate_form
from kernel.people.store import find_person
from kernel.person_jobs import SAVE_ACCOUNT, SaveAccount
from kernel.user.load import load_user
from kernel.user.timezone import find_timezone, name_no_timezone
from kernel.user.token import USE_API_TOKENS
from web.entry import in_session
from web.guard import Submitted, changing_route
from web.people_forms import build_account_form
from web.respond import redirect_after_change, show_page
from web.routes.admin.people import require_form
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("account", __name__)

PATH: Final = "/user"


@blueprint.get(PATH)
async def show_account() -> Response:
    visit = current_visit()
    in_session(visit, {})
    return await _show(visit, {}, {})


async def _redisplay(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    raw = read_values(build_account_form(user.timezone), submitted).raw
    return await _show(visit, raw, {"": stale.message}, status=stale.status)


@changing_route(blueprint, PATH, form_id="account", access=in_session, redisplay=_redisplay)
async def save_account(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    submission = validate_form(build_account_form(user.timezone), visit.session, require_form(submitted))
    problems = dict(submission.problems)
    typed = submission.values.get("timezone", "")
    timezone = find_timezone(typed) if typed else ""
    if not problems and timezone is None:
        problems = {"timezone": name_no_timezone(typed)}
    if not problems:
        payload = SaveAccount(user.id, timezone or "")
        job = await submit_and_wait(visit, SAVE_ACCOUNT, payload, None)
        if not job.is_finished:
            return answer_unfinished(job, as_json=False)
        result = read_result(job)
        problems = result.get("problems", {})
        if not problems:
            raise_refusal(result)
    if problems:
        return await _show(visit, submission.raw, problems, status=Invalid.status)
    await visit.sessions.add_flash(await visit.need_session(), "success", "Your account was saved.")
    return redirect_after_change(PATH)


async def _show(
    visit: Visit, values: dict[str, Any], problems: dict[str, str], *, status: int = 200
) -> Response:
    user = await load_user(visit.rt, visit.actor.id)
    person = await find_person(await visit.conn(), user.id)
    form = build_account_form(user.timezone)
    session = await visit.need_session()
    return await show_page(
        "user/account.html",
        title="Your account",
        status=status,
        user=user,
        roles=[role.name for role in person.roles] if person is not None else [],
        form=render_form(visit.rt.renderer, form, session=session, values=values, problems=problems),
        may_use_tokens=visit.actor.may(USE_API_TOKENS),
    )

"""Turning the second factor of one's own account on and off."""

from typing import Any

from quart import Blueprint, Response

from kernel.errors import Invalid, StaleForm
from kernel.form.login_forms import SECOND_FACTOR_PATH, build_disable_form, build_setup_form
from kernel.form.model import Form
from kernel.form.render import render_form
from kernel.form.validate import validate_form
from kernel.login_jobs import (
    DISABLE_SECOND_FACTOR,
    ENABLE_SECOND_FACTOR,
    DisableSecondFactor,
    EnableSecondFactor,
)
from kernel.user.entry.code import draw_secret
from kernel.user.entry.second_factor import begin_setup, confirm_setup, count_recovery_codes
from kernel.user.load import load_user
from kernel.user.login import take_own_code, verify_own_password
from kernel.user.model import User
from web.entry import in_session, renew_session
from web.guard import Submitted, changing_route
from web.respond import redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("account_second_factor", __name__)

WRONG_PASSWORD = "This is not your current password."  # noqa: S105  # a sentence
WRONG_CODE = "This code is not right, or was used before. Wait for the next one."


@blueprint.get(SECOND_FACTOR_PATH)
async def show_second_factor() -> Response:
    visit = current_visit()
    in_session(visit, {})
    return await _show(visit, await load_user(visit.rt, visit.actor.id))


async def _redisplay(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    return await _show(visit, user, {"": stale.message}, status=stale.status)


@changing_route(
    blueprint, SECOND_FACTOR_PATH, form_id="second_factor_setup", access=in_session, redisplay=_redisplay
)
async def turn_on(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Shows the recovery codes, this once."""
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    if await count_recovery_codes(visit.rt, user.id) is not None:
        return redirect_after_change(SECOND_FACTOR_PATH)
    form = build_setup_form(has_password=user.has_password)
    submission = validate_form(form, visit.session, submitted or {})
    problems = submission.problems or await _check_password(visit, user, submission.values)
    session = await visit.need_session()
    codes = [] if problems else await confirm_setup(visit.rt, user.id, session.key, submission.values["code"])
    if not codes:
        return await _show(visit, user, problems or {"code": WRONG_CODE}, status=Invalid.status)
    job = await submit_and_wait(visit, ENABLE_SECOND_FACTOR, EnableSecondFactor(user.id, session.key), None)
    if job.is_finished:
        raise_refusal(read_result(job))
    await renew_session(visit)
    # Also while the workers are still at it: the codes can be shown at no other time.
    return await show_page(
        "user/recovery_codes.html", title="Your recovery codes", codes=codes, is_saved=job.is_finished
    )


@changing_route(
    blueprint,
    f"{SECOND_FACTOR_PATH}/disable",
    form_id="second_factor_disable",
    access=in_session,
    redisplay=_redisplay,
)
async def turn_off(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    if await count_recovery_codes(visit.rt, user.id) is None:
        return redirect_after_change(SECOND_FACTOR_PATH)
    form = build_disable_form(has_password=user.has_password)
    submission = validate_form(form, visit.session, submitted or {})
    problems = submission.problems or await _check_password(visit, user, submission.values)
    if not problems and not await take_own_code(visit.rt, visit.ctx, user.id, submission.values["code"]):
        problems = {"code": WRONG_CODE}
    if problems:
        return await _show(visit, user, problems, status=Invalid.status)
    job = await submit_and_wait(visit, DISABLE_SECOND_FACTOR, DisableSecondFactor(user.id), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    raise_refusal(read_result(job))
    await visit.sessions.add_flash(
        await visit.need_session(), "success", "The second factor is off. Your password alone logs you in."
    )
    return redirect_after_change(SECOND_FACTOR_PATH)


async def _check_password(visit: Visit, user: User, values: dict[str, Any]) -> dict[str, str]:
    if user.has_password and not await verify_own_password(visit.rt, user, values["current"]):
        return {"current": WRONG_PASSWORD}
    return {}


async def _show(
    visit: Visit, user: User, problems: dict[str, str] | None = None, *, status: int = 200
) -> Response:
    """What there is to do: to turn it on, with the secret to scan, or to turn it off."""
    rt = visit.rt
    left = await count_recovery_codes(rt, user.id)
    if left is not None:
        html = await _render(visit, build_disable_form(has_password=user.has_password), problems)
        return await show_page(
            "user/second_factor.html", title="Second factor", status=status, form=html, left=left
        )
    secret = await begin_setup(rt, user.id, (await visit.need_session()).key)
    return await show_page(
        "user/second_factor_setup.html",
        title="Second factor",
        status=status,
        form=await _render(visit, build_setup_form(has_password=user.has_password), problems),
        picture=draw_secret(secret, site_name=rt.config.site_name, user_name=user.name),
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
    )


async def _render(visit: Visit, form: Form, problems: dict[str, str] | None) -> str:
    return render_form(visit.rt.renderer, form, session=await visit.need_session(), problems=problems or {})

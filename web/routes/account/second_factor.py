"""Turning the second factor of one's own account on and off, and making new recovery codes for it."""

from collections.abc import Sequence
from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import Invalid, StaleForm
from kernel.form.login_forms import (
    RECOVERY_PATH,
    SECOND_FACTOR_PATH,
    build_begin_form,
    build_disable_form,
    build_recovery_form,
    build_setup_form,
)
from kernel.form.model import Form
from kernel.form.render import render_form
from kernel.form.validate import validate_form
from kernel.login_jobs import (
    DISABLE_SECOND_FACTOR,
    ENABLE_SECOND_FACTOR,
    REPLACE_RECOVERY_CODES,
    DisableSecondFactor,
    EnableSecondFactor,
    ReplaceRecoveryCodes,
)
from kernel.user.entry.code import build_recovery_codes, digest_recovery_codes, draw_secret
from kernel.user.entry.second_factor import begin_setup, confirm_setup, count_recovery_codes, find_setup
from kernel.user.load import load_user
from kernel.user.login import take_own_code
from kernel.user.model import User
from web.entry import check_own_password, in_session, renew_session
from web.guard import Submitted, changing_route
from web.respond import NO_STORE, redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("account_second_factor", __name__)

WRONG_CODE: Final = "This code is not right, or was used before. Wait for the next one."
TOO_LATE: Final = "That took too long. Begin again, and scan the new code."
IS_ON: Final = "The second factor is on from now."
IS_NEARLY_ON: Final = "The second factor will be on in a moment. The codes below count from then."
ARE_NEW: Final = "The codes of before are good for nothing any more."
ARE_NEARLY_NEW: Final = "These count in a moment; until then those of before do."
ACCOUNT: Final = (("Account", "/user"),)
UNDER: Final = (*ACCOUNT, ("Second factor", SECOND_FACTOR_PATH))


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
    blueprint,
    f"{SECOND_FACTOR_PATH}/begin",
    form_id="second_factor_begin",
    access=in_session,
    redisplay=_redisplay,
)
async def begin(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Who has shown the password sees the secret, in this session and for a while."""
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    if await count_recovery_codes(visit.rt, user.id) is None:
        form = build_begin_form(has_password=user.has_password)
        submission = validate_form(form, visit.session, submitted or {})
        problems = submission.problems or await check_own_password(visit, user, submission.values)
        if problems:
            return await _show(visit, user, problems, status=Invalid.status)
        await begin_setup(visit.rt, user.id, (await visit.need_session()).key)
    return redirect_after_change(SECOND_FACTOR_PATH)


@changing_route(
    blueprint, SECOND_FACTOR_PATH, form_id="second_factor_setup", access=in_session, redisplay=_redisplay
)
async def turn_on(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Shows the recovery codes, this once."""
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    if await count_recovery_codes(visit.rt, user.id) is not None:
        return redirect_after_change(SECOND_FACTOR_PATH)
    submission = validate_form(build_setup_form(), visit.session, submitted or {})
    session = await visit.need_session()
    if await find_setup(visit.rt, user.id, session.key) is None:
        await visit.sessions.add_flash(session, "warning", TOO_LATE)
        return redirect_after_change(SECOND_FACTOR_PATH)
    problems = submission.problems
    codes = [] if problems else await confirm_setup(visit.rt, user.id, session.key, submission.values["code"])
    if not codes:
        return await _show(visit, user, problems or {"code": WRONG_CODE}, status=Invalid.status)
    job = await submit_and_wait(visit, ENABLE_SECOND_FACTOR, EnableSecondFactor(user.id, session.key), None)
    if job.is_finished:
        raise_refusal(read_result(job))
    await renew_session(visit)
    # Also while the workers are still at it: the codes can be shown at no other time.
    return await _show_codes(codes, IS_ON if job.is_finished else IS_NEARLY_ON, is_saved=job.is_finished)


@blueprint.get(RECOVERY_PATH)
async def show_new_codes() -> Response:
    visit = current_visit()
    in_session(visit, {})
    return await _show_recovery(visit, await load_user(visit.rt, visit.actor.id))


async def _redisplay_recovery(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    return await _show_recovery(visit, user, {"": stale.message}, status=stale.status)


@changing_route(
    blueprint,
    RECOVERY_PATH,
    form_id="second_factor_recovery",
    access=in_session,
    redisplay=_redisplay_recovery,
)
async def make_new_codes(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Shows them, this once."""
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    form = build_recovery_form(has_password=user.has_password)
    submission = validate_form(form, visit.session, submitted or {})
    problems = submission.problems or await _check_both(visit, user, submission.values, with_recovery=False)
    if problems:
        return await _show_recovery(visit, user, problems, status=Invalid.status)
    codes = build_recovery_codes()
    payload = ReplaceRecoveryCodes(user.id, digest_recovery_codes(codes))
    job = await submit_and_wait(visit, REPLACE_RECOVERY_CODES, payload, None)
    if job.is_finished:
        raise_refusal(read_result(job))
    return await _show_codes(codes, ARE_NEW if job.is_finished else ARE_NEARLY_NEW, is_saved=job.is_finished)


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
    problems = submission.problems or await _check_both(visit, user, submission.values, with_recovery=True)
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


async def _check_both(
    visit: Visit, user: User, values: dict[str, Any], *, with_recovery: bool
) -> dict[str, str]:
    problems = await check_own_password(visit, user, values)
    fits = not problems and await take_own_code(
        visit.rt, visit.ctx, user.id, values["code"], with_recovery=with_recovery
    )
    return problems if problems or fits else {"code": WRONG_CODE}


async def _show(
    visit: Visit, user: User, problems: dict[str, str] | None = None, *, status: int = 200
) -> Response:
    """What there is to do: to turn it off; to turn it on, first with the password and then with the secret to scan."""
    rt = visit.rt
    left = await count_recovery_codes(rt, user.id)
    if left is not None:
        form, template = build_disable_form(has_password=user.has_password), "user/second_factor.html"
        return await _show_form(visit, template, form, problems, status=status, left=left)
    secret = await find_setup(rt, user.id, (await visit.need_session()).key)
    if secret is None:
        form, template = build_begin_form(has_password=user.has_password), "user/second_factor_begin.html"
        return await _show_form(visit, template, form, problems, status=status)
    return await _show_form(
        visit,
        "user/second_factor_setup.html",
        build_setup_form(),
        problems,
        status=status,
        picture=draw_secret(secret, site_name=rt.config.site_name, user_name=user.name),
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
    )


async def _show_recovery(
    visit: Visit, user: User, problems: dict[str, str] | None = None, *, status: int = 200
) -> Response:
    left = await count_recovery_codes(visit.rt, user.id)
    if left is None:
        return redirect_after_change(SECOND_FACTOR_PATH)
    form = build_recovery_form(has_password=user.has_password)
    return await _show_form(
        visit, "user/recovery_codes_new.html", form, problems, status=status, left=left, breadcrumbs=UNDER
    )


async def _show_form(
    visit: Visit,
    template: str,
    form: Form,
    problems: dict[str, str] | None,
    *,
    status: int,
    breadcrumbs: Sequence[tuple[str, str]] = ACCOUNT,
    **variables: Any,
) -> Response:
    """No cache keeps it: a secret may stand on it."""
    session = await visit.need_session()
    html = render_form(visit.rt.renderer, form, session=session, problems=problems or {})
    response = await show_page(
        template, title=form.title, status=status, form=html, breadcrumbs=breadcrumbs, **variables
    )
    response.headers.update(NO_STORE)
    return response


async def _show_codes(codes: list[str], told: str, *, is_saved: bool) -> Response:
    response = await show_page(
        "user/recovery_codes.html",
        title="Your recovery codes",
        breadcrumbs=UNDER,
        codes=codes,
        told=told,
        is_saved=is_saved,
    )
    response.headers.update(NO_STORE)
    return response

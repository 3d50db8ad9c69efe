"""Log in, log out, one-time links, passwords."""

from typing import Any

from quart import Blueprint, Response, request

from kernel.errors import Invalid, LoginRequired, NotFound, StaleForm, TrovatoError
from kernel.form.login_forms import LOGIN_CODE_PATH, build_login_code_form
from kernel.form.model import Form
from kernel.form.render import render_form
from kernel.form.user_forms import (
    LOGIN_PATH,
    LOGOUT_PATH,
    PASSWORD_PATH,
    build_login_form,
    build_login_link_form,
    build_logout_form,
    build_password_form,
)
from kernel.form.validate import read_values, validate_form
from kernel.jobs import SET_PASSWORD, SetPassword
from kernel.user.account import check_new_password
from kernel.user.entry.lockout import Locked
from kernel.user.load import load_user
from kernel.user.login import LoginOver, log_in, log_in_by_code, log_in_by_link, remember_browser
from kernel.user.login_link import find_login_link
from kernel.user.password import hash_password
from kernel.user.proof.registration import load_registration_mode
from kernel.user.store import find_pass_hash
from web.entry import (
    check_own_password,
    drop_pending,
    enter,
    find_pending,
    in_session,
    read_source,
    renew_session,
)
from web.guard import Submitted, anybody, changing_route
from web.respond import redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("user", __name__)


@blueprint.get(LOGIN_PATH)
async def show_login() -> Response:
    visit = current_visit()
    if not visit.actor.is_anonymous:
        return redirect_after_change("/admin")
    return await _show(
        visit, "user/login.html", build_login_form(destination=request.args.get("destination", "")[:1000])
    )


async def _redisplay_login(submitted: Submitted, stale: StaleForm) -> Response:
    form = build_login_form()
    raw = read_values(form, submitted).raw
    return await _show(
        current_visit(), "user/login.html", form, raw, {"": stale.message}, status=stale.status
    )


@changing_route(blueprint, LOGIN_PATH, form_id="user_login", access=anybody, redisplay=_redisplay_login)
async def login(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    form = build_login_form()
    submission = validate_form(form, visit.session, submitted or {})
    if submission.problems:
        return await _show(
            visit, "user/login.html", form, submission.raw, submission.problems, status=Invalid.status
        )
    values = submission.values
    try:
        step = await log_in(
            visit.rt, visit.ctx, values["name"], values["password"], source=read_source(visit)
        )
    except (LoginRequired, Locked) as refused:
        return await _refuse(visit, "user/login.html", form, submission.raw, refused)
    return await enter(visit, step, is_remembered=values["remember"], destination=values["destination"])


@blueprint.get(LOGIN_CODE_PATH)
async def show_login_code() -> Response:
    visit = current_visit()
    if find_pending(visit) is None:
        return redirect_after_change(LOGIN_PATH)
    return await _show(visit, "user/login_code.html", build_login_code_form())


async def _redisplay_login_code(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    if find_pending(visit) is None:
        raise stale
    problems = {"": stale.message}
    return await _show(
        visit, "user/login_code.html", build_login_code_form(), {}, problems, status=stale.status
    )


@changing_route(
    blueprint, LOGIN_CODE_PATH, form_id="user_login_code", access=anybody, redisplay=_redisplay_login_code
)
async def login_by_code(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """The second step, which grants what the first one did not."""
    visit = current_visit()
    form = build_login_code_form()
    submission = validate_form(form, visit.session, submitted or {})
    pending = find_pending(visit)
    if pending is None:
        return redirect_after_change(LOGIN_PATH)
    if submission.problems:
        return await _show(
            visit, "user/login_code.html", form, {}, submission.problems, status=Invalid.status
        )
    code = submission.values["code"]
    try:
        step = await log_in_by_code(
            visit.rt,
            visit.ctx,
            pending.user_id,
            stamp=pending.stamp,
            code=code,
            source=read_source(visit),
        )
    except LoginOver as over:
        await drop_pending(visit)
        await visit.sessions.add_flash(await visit.need_session(), "warning", over.message)
        return redirect_after_change(LOGIN_PATH)
    except (LoginRequired, Locked) as refused:
        return await _refuse(visit, "user/login_code.html", form, {}, refused)
    return await enter(visit, step, is_remembered=pending.is_remembered, destination=pending.destination)


@blueprint.get(LOGOUT_PATH)
async def show_logout() -> Response:
    """One button: a link or an image must not be able to log a person out."""
    visit = current_visit()
    if visit.actor.is_anonymous:
        return redirect_after_change("/")
    return await _show(visit, "user/logout.html", build_logout_form())


@changing_route(blueprint, LOGOUT_PATH, form_id="user_logout", access=anybody)
async def logout(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    if visit.session is not None:
        await visit.sessions.delete(visit.session)
        visit.session, visit.set_cookie = None, ""
    return redirect_after_change("/")


@blueprint.get("/user/login-link/<token>")
async def show_login_link(token: str) -> Response:
    visit = current_visit()
    if not await find_login_link(visit.rt, token):
        raise NotFound(
            "This link has been used or has expired. Ask for a new one: trovato user login-link NAME."
        )
    return await _show(visit, "user/login_link.html", build_login_link_form(token))


@changing_route(blueprint, "/user/login-link/<token>", form_id="user_login_link", access=anybody)
async def use_login_link(
    token: str, submitted: Submitted | None, document: dict[str, Any] | None
) -> Response:
    visit = current_visit()
    return await enter(visit, await log_in_by_link(visit.rt, visit.ctx, token, read_source(visit)))


@blueprint.get(PASSWORD_PATH)
async def show_password() -> Response:
    visit = current_visit()
    in_session(visit, {})
    user = await load_user(visit.rt, visit.actor.id)
    return await _show(visit, "user/password.html", build_password_form(has_password=user.has_password))


@changing_route(blueprint, PASSWORD_PATH, form_id="user_password", access=in_session)
async def change_password(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    form = build_password_form(has_password=user.has_password)
    submission = validate_form(form, visit.session, submitted or {})
    values, problems = submission.values, dict(submission.problems)
    if not problems:
        problems = check_new_password(values["password"], values["again"])
    async with visit.rt.db.acquire() as conn:
        # Before it is checked: what is checked and what is replaced are the same, or nothing is.
        replaces = await find_pass_hash(conn, user.id)
    problems = problems or await check_own_password(visit, user, values)
    if problems:
        return await _show(visit, "user/password.html", form, submission.raw, problems, status=Invalid.status)
    session = await visit.need_session()
    payload = SetPassword(
        user.id, await hash_password(values["password"]), replaces=replaces, keeps_session=session.key
    )
    job = await submit_and_wait(visit, SET_PASSWORD, payload, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    raise_refusal(read_result(job))
    await renew_session(visit)
    visit.device_cookie = await remember_browser(visit.rt, read_source(visit), user.id)
    message = "Your password was changed. Wherever else you were logged in, you are not any more."
    await visit.sessions.add_flash(await visit.need_session(), "success", message)
    return redirect_after_change("/admin")


async def _refuse(
    visit: Visit, template: str, form: Form, raw: dict[str, Any], refused: TrovatoError
) -> Response:
    """The same page, and for programs how long to wait."""
    response = await _show(visit, template, form, raw, {"": refused.message}, status=refused.status)
    if isinstance(refused, Locked):
        response.headers["Retry-After"] = str(refused.wait_s)
    return response


async def _show(
    visit: Visit,
    template: str,
    form: Form,
    values: dict[str, Any] | None = None,
    problems: dict[str, str] | None = None,
    *,
    status: int = 200,
) -> Response:
    html = render_form(
        visit.rt.renderer,
        form,
        session=await visit.need_session(),
        values=values or {},
        problems=problems or {},
    )
    may_register = await load_registration_mode(visit.rt) != "off"
    return await show_page(template, title=form.title, status=status, form=html, may_register=may_register)

"""A forgotten password: asking for a link, and choosing a new password with it."""

from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import Conflict, Invalid, NotFound, StaleForm
from kernel.form.proof_forms import build_reset_form, build_reset_request_form
from kernel.form.validate import read_values, validate_form
from kernel.jobs import SET_PASSWORD, SetPassword
from kernel.ledger.submit import submit_job
from kernel.mail_jobs import MAIL_PASSWORD_RESET, MailPasswordReset
from kernel.user.account import check_new_password
from kernel.user.link_token import digest_link_token
from kernel.user.login import remember_browser
from kernel.user.password import hash_password
from kernel.user.proof.letters import RESET_PATH
from kernel.user.proof.reset import find_reset
from web.entry import read_source
from web.guard import Submitted, anybody, changing_route
from web.proof_pages import CHECK_PATH, show_form, tell
from web.respond import redirect_after_change
from web.visit import Visit, current_visit
from web.work import answer_unfinished, read_result, submit_and_wait

blueprint = Blueprint("account_reset", __name__)

REQUEST_LEAD: Final = "You get a mail with a link, with which you choose a new one."


@blueprint.get(RESET_PATH)
async def show_reset_request() -> Response:
    return await show_form(current_visit(), build_reset_request_form(), lead=REQUEST_LEAD)


async def _redisplay_request(submitted: Submitted, stale: StaleForm) -> Response:
    form = build_reset_request_form()
    raw = read_values(form, submitted).raw
    return await show_form(
        current_visit(),
        form,
        lead=REQUEST_LEAD,
        values=raw,
        problems={"": stale.message},
        status=stale.status,
    )


@changing_route(
    blueprint, RESET_PATH, form_id="user_reset_request", access=anybody, redisplay=_redisplay_request
)
async def request_reset(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Nothing is looked up here: a worker does, so answer and time are the same for every name."""
    visit = current_visit()
    form = build_reset_request_form()
    submission = validate_form(form, visit.session, submitted or {})
    if submission.problems:
        return await show_form(
            visit,
            form,
            lead=REQUEST_LEAD,
            values=submission.raw,
            problems=submission.problems,
            status=Invalid.status,
        )
    payload = MailPasswordReset(submission.values["who"])
    await submit_job(visit.rt.ledger, visit.ctx, MAIL_PASSWORD_RESET, payload)
    return redirect_after_change(CHECK_PATH)


@blueprint.get(CHECK_PATH)
async def show_check_mail() -> Response:
    """The same for whoever asked for whatever."""
    texts = [
        "If what you entered fits, a mail with a link is on its way to you. It arrives within a few minutes.",
        "If none does, look among what your mail program takes for spam, then check what you entered and ask again.",
    ]
    if current_visit().rt.config.mail.server is None:
        texts = [
            "This site has no mail server yet, so the mail was kept and not sent. An administrator finds it under Mail."
        ]
    return await tell("Look into your mailbox", *texts, go_on=("Back to the login", "/user/login"))


@blueprint.get(f"{RESET_PATH}/<token>")
async def show_reset(token: str) -> Response:
    visit = current_visit()
    person = await find_reset(visit.rt, token)
    if person is None:
        return await _tell_gone(NotFound.status)
    return await show_form(visit, build_reset_form(token), lead=f"For {person.name}.")


@changing_route(blueprint, f"{RESET_PATH}/<token>", form_id="user_reset", access=anybody)
async def reset_password(
    token: str, submitted: Submitted | None, document: dict[str, Any] | None
) -> Response:
    visit = current_visit()
    form = build_reset_form(token)
    submission = validate_form(form, visit.session, submitted or {})
    person, digest = await find_reset(visit.rt, token), digest_link_token(token)
    if person is None or digest is None:
        return await _tell_gone(NotFound.status)
    values, problems = submission.values, dict(submission.problems)
    problems = problems or check_new_password(values["password"], values["again"])
    if problems:
        lead = f"For {person.name}."
        return await show_form(visit, form, lead=lead, problems=problems, status=Invalid.status)
    payload = SetPassword(person.id, await hash_password(values["password"]), link_digest=digest.hex())
    job = await submit_and_wait(visit, SET_PASSWORD, payload, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    if read_result(job)["outcome"] != "saved":
        return await _tell_gone(Conflict.status)
    # Nobody can keep the person out who has just got back in.
    visit.device_cookie = await remember_browser(visit.rt, read_source(visit), person.id)
    return await _go_to_login(visit)


async def _go_to_login(visit: Visit) -> Response:
    """Every session of the account has ended, perhaps also this one."""
    if visit.session is not None and visit.session.user_id is not None:
        await visit.sessions.delete(visit.session)
        visit.session = None
    message = "Your password was changed. Log in with the new one."
    await visit.sessions.add_flash(await visit.need_session(), "success", message)
    return redirect_after_change("/user/login")


async def _tell_gone(status: int) -> Response:
    return await tell(
        "This link does not work",
        "It has been used or has expired, or there is a newer one in your mailbox.",
        go_on=("Ask for a new link", RESET_PATH),
        status=status,
    )

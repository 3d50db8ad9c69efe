"""Another mail address for one's own account."""

from typing import Any, Final

from quart import Blueprint, Response, request

from kernel.errors import Conflict, Invalid, LoginRequired, NotFound, StaleForm
from kernel.form.proof_forms import build_confirm_mail_form, build_mail_form
from kernel.form.validate import read_values, validate_form
from kernel.ledger.submit import submit_job
from kernel.mail.address import check_address, normalise_address
from kernel.mail_jobs import CHANGE_MAIL, CONFIRM_MAIL, ChangeMail, ConfirmMail
from kernel.user.link_token import digest_link_token
from kernel.user.load import load_user
from kernel.user.login import verify_own_password
from kernel.user.model import User
from kernel.user.proof.address import LINK_GONE, find_address_link
from kernel.user.proof.letters import MAIL_PATH
from web.entry import WRONG_PASSWORD, in_session
from web.guard import Submitted, changing_route
from web.proof_pages import CHECK_PATH, show_form, tell
from web.respond import redirect_after_change
from web.visit import current_visit
from web.work import answer_unfinished, read_result, submit_and_wait

blueprint = Blueprint("account_mail", __name__)

UNDER: Final = ("Back to the dashboard", "/admin")


@blueprint.get(MAIL_PATH)
async def show_mail() -> Response:
    visit = current_visit()
    in_session(visit, {})
    user = await load_user(visit.rt, visit.actor.id)
    if not user.has_password:
        return await tell(
            "Set a password first",
            "Your account has no password yet. It is asked for before the address changes.",
            go_on=("Set a password", "/user/password"),
        )
    return await show_form(visit, build_mail_form(), lead=_lead(user), under=UNDER)


async def _redisplay_mail(submitted: Submitted, stale: StaleForm) -> Response:
    visit, form = current_visit(), build_mail_form()
    raw, problems = read_values(form, submitted).raw, {"": stale.message}
    return await show_form(visit, form, values=raw, problems=problems, status=stale.status, under=UNDER)


@changing_route(blueprint, MAIL_PATH, form_id="user_mail", access=in_session, redisplay=_redisplay_mail)
async def change_mail(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Whether somebody has the address is not said here; a worker finds out and tells its owner."""
    visit = current_visit()
    user = await load_user(visit.rt, visit.actor.id)
    form = build_mail_form()
    submission = validate_form(form, visit.session, submitted or {})
    values, problems = submission.values, dict(submission.problems)
    address = normalise_address(values.get("mail", ""))
    if "mail" in values and (problem := check_address(address)):
        problems["mail"] = problem
    if not problems and user.mail is not None and address.lower() == user.mail.lower():
        problems["mail"] = "This is your address already."
    if not problems and not await verify_own_password(visit.rt, visit.ctx, user, values["current"]):
        problems["current"] = WRONG_PASSWORD
    if problems:
        return await show_form(
            visit,
            form,
            lead=_lead(user),
            values=submission.raw,
            problems=problems,
            status=Invalid.status,
            under=UNDER,
        )
    await submit_job(visit.rt.ledger, visit.ctx, CHANGE_MAIL, ChangeMail(address))
    return redirect_after_change(CHECK_PATH)


@blueprint.get(f"{MAIL_PATH}/<token>")
async def show_confirm_mail(token: str) -> Response:
    """A browser that comes from mail on the web does not send its session along, and loses it when it is given
    another: the first page is a link to the second, and needs none."""
    visit = current_visit()
    if visit.actor.is_anonymous:
        if "here" in request.args:
            raise LoginRequired("Please log in to the account that shall have the address.")
        return await tell(
            "Use this address",
            "Go on in the browser in which you are logged in.",
            go_on=("Go on", f"{MAIL_PATH}/{token}?here=1"),
        )
    link = await find_address_link(visit.rt, token)
    if link is None or link.user_id != visit.actor.id:
        return await _tell_gone(LINK_GONE, NotFound.status)
    lead = f"Mail for {visit.actor.name} will go to {link.mail}."
    return await show_form(visit, build_confirm_mail_form(token), lead=lead, under=UNDER)


@changing_route(blueprint, f"{MAIL_PATH}/<token>", form_id="user_mail_confirm", access=in_session)
async def confirm_mail(token: str, submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    validate_form(build_confirm_mail_form(token), visit.session, submitted or {})
    link, digest = await find_address_link(visit.rt, token), digest_link_token(token)
    if link is None or digest is None or link.user_id != visit.actor.id:
        return await _tell_gone(LINK_GONE, NotFound.status)
    job = await submit_and_wait(visit, CONFIRM_MAIL, ConfirmMail(digest.hex()), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    if result["outcome"] != "saved":
        return await _tell_gone(result["message"], Conflict.status)
    await visit.sessions.add_flash(
        await visit.need_session(), "success", f"Your mail address is {link.mail} now."
    )
    return redirect_after_change(MAIL_PATH)


def _lead(user: User) -> str:
    return f"Your address is {user.mail}." if user.mail is not None else "You have no address yet."


async def _tell_gone(text: str, status: int) -> Response:
    return await tell("This link does not work", text, go_on=("Ask for a new link", MAIL_PATH), status=status)

"""Making an account by oneself, where the site allows it."""

from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import Conflict, Invalid, NotFound, StaleForm
from kernel.form.model import Submission
from kernel.form.proof_forms import build_confirm_registration_form, build_register_form
from kernel.form.taps import note_submitted
from kernel.form.validate import read_values, validate_form
from kernel.ledger.submit import submit_job
from kernel.mail.address import check_address, normalise_address
from kernel.mail_jobs import CONFIRM_REGISTRATION, REGISTER, ConfirmRegistration, Register
from kernel.user.account import check_new_password
from kernel.user.link_token import digest_link_token
from kernel.user.name import check_new_name, normalise_name
from kernel.user.password import hash_password, verify_password
from kernel.user.proof.letters import REGISTER_PATH
from kernel.user.proof.register import LINK_GONE, find_registration
from kernel.user.proof.registration import load_registration_mode
from kernel.user.taken_name import check_taken_name
from web.form_taps import alter, check
from web.guard import Submitted, anybody, changing_route
from web.proof_pages import CHECK_PATH, show_form, tell
from web.respond import redirect_after_change
from web.visit import Visit, current_visit
from web.work import answer_unfinished, read_result, submit_and_wait

blueprint = Blueprint("account_register", __name__)

UNDER: Final = ("I have an account already", "/user/login")


@blueprint.get(REGISTER_PATH)
async def show_register() -> Response:
    visit = current_visit()
    await _require_open(visit)
    if not visit.actor.is_anonymous:
        return redirect_after_change("/")
    return await show_form(visit, await alter(visit, build_register_form()), under=UNDER)


async def _redisplay_register(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    if await load_registration_mode(visit.rt) == "off":
        raise stale
    form = await alter(visit, build_register_form())
    raw, problems = read_values(form, submitted).raw, {"": stale.message}
    return await show_form(visit, form, values=raw, problems=problems, status=stale.status, under=UNDER)


@changing_route(
    blueprint, REGISTER_PATH, form_id="user_register", access=anybody, redisplay=_redisplay_register
)
async def register(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Names are public, so a taken one is said to be taken. Of an address only its owner learns, by mail."""
    visit = current_visit()
    await _require_open(visit)
    form = await alter(visit, build_register_form())
    submission = await check(visit, form, validate_form(form, visit.session, submitted or {}))
    problems = await _check(visit, submission)
    if problems:
        return await show_form(
            visit, form, values=submission.raw, problems=problems, status=Invalid.status, under=UNDER
        )
    values = submission.values
    payload = Register(
        normalise_name(values["name"]),
        normalise_address(values["mail"]),
        await hash_password(values["password"]),
        note_submitted(visit.rt.plugins.registry, form, submission),
    )
    await submit_job(visit.rt.ledger, visit.ctx, REGISTER, payload)
    return redirect_after_change(CHECK_PATH)


@blueprint.get(f"{REGISTER_PATH}/<token>")
async def show_confirm(token: str) -> Response:
    visit = current_visit()
    link = await find_registration(visit.rt, token)
    if link is None:
        return await _tell_gone(LINK_GONE, NotFound.status)
    return await show_form(visit, build_confirm_registration_form(token), lead=f"You will be {link.name}.")


@changing_route(blueprint, f"{REGISTER_PATH}/<token>", form_id="user_register_confirm", access=anybody)
async def confirm(token: str, submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    form = build_confirm_registration_form(token)
    submission = validate_form(form, visit.session, submitted or {})
    link, digest = await find_registration(visit.rt, token), digest_link_token(token)
    if link is None or digest is None:
        return await _tell_gone(LINK_GONE, NotFound.status)
    problems = dict(submission.problems)
    if not problems and not await verify_password(link.pass_hash, submission.values["password"]):
        problems = {"password": "This is not the password that you chose when you registered."}
    if problems:
        lead = f"You will be {link.name}."
        return await show_form(visit, form, lead=lead, problems=problems, status=Invalid.status)
    job = await submit_and_wait(visit, CONFIRM_REGISTRATION, ConfirmRegistration(digest.hex()), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    if result["outcome"] != "saved":
        return await _tell_gone(result["message"], Conflict.status)
    if result["is_waiting"]:
        return await tell(
            "Nearly there",
            "Your address is confirmed. An administrator looks at your registration.",
            "You get a mail when you may log in.",
            go_on=("To the first page", "/"),
        )
    await visit.sessions.add_flash(
        await visit.need_session(), "success", "Your account is made. You can log in now."
    )
    return redirect_after_change("/user/login")


async def _require_open(visit: Visit) -> None:
    """Raises NotFound."""
    if await load_registration_mode(visit.rt) == "off":
        raise NotFound("Nobody can register here. Ask an administrator of the site for an account.")


async def _check(visit: Visit, submission: Submission) -> dict[str, str]:
    """A sentence for everything that is wrong, by the name of the field."""
    values, problems = submission.values, dict(submission.problems)
    if "name" in values:
        name = normalise_name(values["name"])
        problem = check_new_name(name) or await check_taken_name(name, await visit.conn())
        problems |= {"name": problem} if problem else {}
    if "mail" in values and (problem := check_address(normalise_address(values["mail"]))):
        problems["mail"] = problem
    if "password" in values and "again" in values:
        problems |= check_new_password(values["password"], values["again"])
    return problems


async def _tell_gone(text: str, status: int) -> Response:
    return await tell("This link does not work", text, go_on=("Register", REGISTER_PATH), status=status)

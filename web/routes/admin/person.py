"""One person: add, edit, a one-time login link, delete."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from quart import Blueprint, Response

from kernel.batch.delete_person import CONTENT_PERMISSION, DELETE_PERSON, DeletePerson
from kernel.batch.start import start_batch
from kernel.batch.store import count_content
from kernel.errors import Forbidden, Invalid, NotFound, StaleForm
from kernel.form.model import Form, Submission
from kernel.form.render import render_form
from kernel.form.token import build_dedupe_key
from kernel.form.validate import read_values, validate_form
from kernel.ids import parse_uuid, uuid7
from kernel.item.decide import sees_everything
from kernel.login_jobs import NOTE_LOGIN_LINK, NoteLoginLink
from kernel.mail.address import normalise_address
from kernel.names import LIVE
from kernel.people.model import Person
from kernel.people.permission import ADMINISTER_PERMISSIONS, ADMINISTER_USERS
from kernel.people.rights import find_obstacle, list_offered_roles
from kernel.people.store import find_person, list_assignable_roles
from kernel.person_jobs import SAVE_PERSON, SavePerson
from kernel.user.login_link import create_login_link
from kernel.user.name import normalise_name
from kernel.user.password import check_password, hash_password
from kernel.user.store import find_user_by_name
from web.guard import Submitted, changing_route
from web.people_documents import describe_person, save_person_document
from web.people_forms import build_delete_form, build_person_form
from web.people_list import PEOPLE_PATH
from web.person_differences import list_differences
from web.respond import NO_STORE, answer_json, redirect_after_change, show_page, wants_json
from web.routes.admin.people import may_administer_people, require_form
from web.visit import Visit, current_visit
from web.work import (
    answer_unfinished,
    raise_refusal,
    read_result,
    submit_and_wait,
    wait_for_change,
)

blueprint = Blueprint("person", __name__)

ADD: Final = f"{PEOPLE_PATH}/add"
PERSON: Final = f"{PEOPLE_PATH}/<person_id>"
EDIT: Final = f"{PERSON}/edit"
LINK: Final = f"{PERSON}/login-link"
DELETE: Final = f"{PERSON}/delete"
LINK_FORM: Final = "person_login_link"
BREADCRUMBS: Final = [("People", PEOPLE_PATH)]


async def load_person(visit: Visit, text: str) -> Person:
    """Raises NotFound."""
    user_id = parse_uuid(text)
    person = await find_person(await visit.conn(), user_id) if user_id is not None else None
    if person is None:
        raise NotFound("There is no such account.")
    return person


async def load_own_business(visit: Visit, text: str) -> Person:
    """Somebody whose account the actor may change. Raises NotFound and Forbidden."""
    person = await load_person(visit, text)
    obstacle = find_obstacle(visit.actor, person)
    if obstacle:
        raise Forbidden(obstacle)
    return person


def build_tabs(visit: Visit, person: Person, here: str) -> list[tuple[str, str, bool]]:
    tabs = [("Account", person.path), ("API tokens", f"{person.path}/tokens")] if visit.actor.is_admin else []
    tabs += [] if tabs else [("Account", person.path)]
    if visit.actor.may(ADMINISTER_PERMISSIONS):
        tabs.append(("Why may they?", f"{PEOPLE_PATH}/why?person={person.id}"))
    tabs.append(("Delete", f"{person.path}/delete"))
    return [(label, path, label == here) for label, path in tabs]


@blueprint.get(ADD)
async def show_add() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_USERS)
    return await _show(visit, None, {}, {})


async def _redisplay_add(submitted: Submitted, stale: StaleForm) -> Response:
    return await _redisplay(current_visit(), None, submitted, stale)


@changing_route(blueprint, ADD, form_id="person", access=may_administer_people, redisplay=_redisplay_add)
async def add_person(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    if document is not None:
        return await save_person_document(visit, None, document)
    return await _save(visit, None, require_form(submitted))


@blueprint.get(PERSON)
async def show_person(person_id: str) -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_USERS)
    person = await load_person(visit, person_id)
    if wants_json() or visit.is_token:
        return answer_json(describe_person(visit.actor, person), headers=NO_STORE)
    return await _show(visit, person, {}, {})


async def _redisplay_edit(person_id: str, submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    return await _redisplay(visit, await load_own_business(visit, person_id), submitted, stale)


@changing_route(blueprint, EDIT, form_id="person", access=may_administer_people, redisplay=_redisplay_edit)
async def edit_person(
    person_id: str, submitted: Submitted | None, document: dict[str, Any] | None
) -> Response:
    visit = current_visit()
    person = await load_own_business(visit, person_id)
    if document is not None:
        return await save_person_document(visit, person, document)
    return await _save(visit, person, require_form(submitted))


@changing_route(blueprint, LINK, form_id=LINK_FORM, access=may_administer_people)
async def show_login_link(
    person_id: str, submitted: Submitted | None, document: dict[str, Any] | None
) -> Response:
    """The link stands on this answer and nowhere else."""
    visit = current_visit()
    require_form(submitted)
    person = await load_own_business(visit, person_id)
    if not person.user.is_active:
        raise Forbidden(f"{person.name} is blocked, so that no link would let them in.")
    job = await submit_and_wait(visit, NOTE_LOGIN_LINK, NoteLoginLink(person.id), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    raise_refusal(read_result(job))
    config = visit.rt.config
    token = await create_login_link(visit.rt, person.id, config.login_link_ttl_s)
    link = f"{config.public_url}/user/login-link/{token}"
    response = await _show(visit, person, {}, {}, link=link)
    response.headers.update(NO_STORE)
    return response


@blueprint.get(DELETE)
async def show_delete(person_id: str) -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_USERS)
    return await _show_delete(visit, await load_own_business(visit, person_id), {}, {})


@changing_route(blueprint, DELETE, form_id="person_delete", access=may_administer_people)
async def delete_person(
    person_id: str, submitted: Submitted | None, document: dict[str, Any] | None
) -> Response:
    visit = current_visit()
    sent = require_form(submitted)
    person = await load_own_business(visit, person_id)
    form = await _build_delete_form(visit, person)
    submission = validate_form(form, visit.session, sent)
    problems = dict(submission.problems)
    heir_id = await _find_heir(visit, person, submission, problems)
    if person.id == visit.actor.id:
        problems[""] = "You cannot delete yourself. Another administrator can."
    if problems:
        return await _show_delete(visit, person, submission.raw, problems, status=Invalid.status)
    items = await count_content(await visit.conn(), person.id)
    await visit.release()
    job_id = await start_batch(
        visit.rt,
        visit.ctx,
        DELETE_PERSON,
        DeletePerson(person.id, person.name, submission.values.get("fate", "keep"), heir_id),
        dedupe_key=build_dedupe_key(form, visit.actor.id, submission),
    )
    # With little content it is a matter of a moment.
    job = await wait_for_change(visit, job_id) if items is not None and items <= 100 else None
    if job is None or not job.is_finished:
        return redirect_after_change(f"/batch/{job_id}")
    result = read_result(job)
    raise_refusal(result)
    if result["refused"]:
        return redirect_after_change(f"/batch/{job_id}")
    await visit.sessions.add_flash(await visit.need_session(), "success", f"{person.name} was deleted.")
    return redirect_after_change(PEOPLE_PATH)


async def _find_heir(
    visit: Visit, person: Person, submission: Submission, problems: dict[str, str]
) -> UUID | None:
    """Who gets the content, if somebody does; a complaint goes to `problems`."""
    if submission.values.get("fate") != "assign" or problems:
        return None
    name = normalise_name(submission.values.get("heir") or "")
    heir = await find_user_by_name(await visit.conn(), name) if name else None
    if heir is None or heir.id == person.id:
        problems["heir"] = "Name somebody else who has an account here."
        return None
    return heir.id


async def _save(visit: Visit, person: Person | None, sent: Submitted) -> Response:
    roles = await list_assignable_roles(await visit.conn())
    form = build_person_form(visit.actor, person, roles)
    submission = validate_form(form, visit.session, sent)
    values, problems = submission.values, dict(submission.problems)
    password = values.get("password") or ""
    if password and "password" not in problems:
        problems |= {"password": problem} if (problem := check_password(password)) else {}
    has_password = _has_password(sent)
    if problems:
        return await _show(
            visit, person, submission.raw, problems, status=Invalid.status, has_password=has_password
        )
    # What the form did not offer stays as it is.
    offered = {role.id for role in list_offered_roles(visit.actor, roles)}
    kept = [role.id for role in person.roles if role.id not in offered] if person is not None else []
    was_admin = person.user.is_admin if person is not None else False
    mail = values.get("mail", person.user.mail if person is not None else None)
    payload = SavePerson(
        user_id=person.id if person is not None else uuid7(),
        seen=values["seen"],
        name=normalise_name(values["name"]),
        mail=normalise_address(mail or "") or None,
        is_active=values["active"],
        is_admin=values.get("admin", was_admin),
        role_ids=[*(UUID(role_id) for role_id in values.get("roles", ())), *kept],
        pass_hash=await hash_password(password) if password else None,
    )
    key = build_dedupe_key(form, visit.actor.id, submission, visit.session)
    job = await submit_and_wait(visit, SAVE_PERSON, payload, key)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    if result["outcome"] == "invalid":
        return await _show(
            visit,
            person,
            submission.raw,
            result["problems"],
            status=Invalid.status,
            has_password=has_password,
        )
    if result["outcome"] == "conflict" and person is not None:
        now = await load_own_business(visit, str(person.id))
        # Saving again is a decision for the account as it is now, made after the message was read.
        differing = list_differences(now, form, submission.raw)
        told = {"": result["message"]}
        return await _show(
            visit, now, submission.raw, told, status=409, differing=differing, has_password=has_password
        )
    raise_refusal(result)
    done = f"{payload.name} was {'added' if person is None else 'saved'}."
    await visit.sessions.add_flash(await visit.need_session(), "success", done)
    return redirect_after_change(result["path"] if person is None else PEOPLE_PATH)


async def _redisplay(visit: Visit, person: Person | None, submitted: Submitted, stale: StaleForm) -> Response:
    form = build_person_form(visit.actor, person, await list_assignable_roles(await visit.conn()))
    raw = read_values(form, submitted).raw
    problems = {"": stale.message}
    return await _show(
        visit, person, raw, problems, status=stale.status, has_password=_has_password(submitted)
    )


def _has_password(sent: Submitted) -> bool:
    """Whether one was typed, which is not shown again."""
    return bool((sent.get("password") or [""])[-1])


async def _show(
    visit: Visit,
    person: Person | None,
    values: dict[str, Any],
    problems: dict[str, str],
    *,
    status: int = 200,
    link: str = "",
    differing: Sequence[tuple[str, str]] = (),
    has_password: bool = False,
) -> Response:
    conn = await visit.conn()
    obstacle = find_obstacle(visit.actor, person) if person is not None else ""
    form = build_person_form(visit.actor, person, await list_assignable_roles(conn))
    # What was seen is what is shown now, whatever was sent.
    values = {name: value for name, value in values.items() if name != "seen"}
    items = await _count_items(visit, person) if person is not None else None
    session = await visit.need_session()
    return await show_page(
        "admin/person.html",
        title=form.title,
        status=status,
        breadcrumbs=BREADCRUMBS,
        form=""
        if obstacle
        else render_form(visit.rt.renderer, form, session=session, values=values, problems=problems),
        person=person,
        obstacle=obstacle,
        items=items,
        is_counted=_may_know_number(visit),
        differing=differing,
        has_password=has_password,
        is_own=person is not None and person.id == visit.actor.id,
        link=link,
        link_hours=round(visit.rt.config.login_link_ttl_s / 3600, 1),
        tabs=build_tabs(visit, person, "Account") if person is not None and not obstacle else [],
    )


def _may_know_number(visit: Visit) -> bool:
    """To somebody from whom items are hidden, a number that counts all would tell of those."""
    return sees_everything(visit.rt.plugins.registry, visit.actor)


async def _count_items(visit: Visit, person: Person) -> int | None:
    """None for very many, and where the visitor may not know."""
    return await count_content(await visit.conn(), person.id) if _may_know_number(visit) else None


async def _build_delete_form(visit: Visit, person: Person) -> Form:
    items = await _count_items(visit, person)
    return build_delete_form(person, items, may_choose=visit.actor.may(CONTENT_PERMISSION))


async def _show_delete(
    visit: Visit, person: Person, values: dict[str, Any], problems: dict[str, str], *, status: int = 200
) -> Response:
    form = await _build_delete_form(visit, person)
    html = render_form(
        visit.rt.renderer, form, session=await visit.need_session(), values=values, problems=problems
    )
    return await show_page(
        "admin/person_delete.html",
        title=form.title,
        status=status,
        breadcrumbs=[*BREADCRUMBS, (person.name, person.path)],
        form=html,
        person=person,
        items=await _count_items(visit, person),
        is_counted=_may_know_number(visit),
        is_live=visit.ctx.stage_id == LIVE,
    )

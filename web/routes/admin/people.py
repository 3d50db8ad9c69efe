"""The list of people, with search, filters and what can be done to several at once."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response, request

from kernel.errors import BadInput
from kernel.form.token import BUILD_ID_FIELD, build_id, read_build_id
from kernel.people.permission import ADMINISTER_PERMISSIONS, ADMINISTER_USERS
from kernel.people.rights import find_obstacle, list_offered_roles
from kernel.people.store import list_assignable_roles, list_people, select_people
from kernel.person_jobs import CHANGE_PEOPLE, ChangePeople
from web.guard import Submitted, changing_route
from web.people_documents import answer_people, change_people_document
from web.people_list import (
    ADMINISTRATORS,
    PEOPLE_PATH,
    build_address,
    read_change,
    read_people_filter,
    read_place,
    tell_change,
)
from web.respond import redirect_after_change, show_page, wants_json
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("people", __name__)

BULK_FORM: Final = "people_bulk"
PAGE_SIZE: Final = 50
# What of the form is asked with and sent again.
KEPT: Final = ("item", "text", "status", "role", "sort", BUILD_ID_FIELD)
# Names that are shown before they are blocked.
NAMED: Final = 8


@blueprint.get(PEOPLE_PATH)
async def show_people() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_USERS)
    conn = await visit.conn()
    roles = await list_assignable_roles(conn)
    chosen = read_people_filter(request.args, {role.id for role in roles})
    after, before = read_place(request.args)
    page = await list_people(conn, chosen, after=after, before=before, limit=PAGE_SIZE)
    if wants_json() or visit.is_token:
        return answer_people(visit.actor, page, roles)
    rows = [{"person": p, "obstacle": find_obstacle(visit.actor, p)} for p in page.people]
    await visit.need_session()
    return await show_page(
        "admin/people.html",
        title="People",
        rows=rows,
        page_of=page,
        filters=chosen,
        previous=build_address(chosen, before=str(page.before)) if page.before else "",
        following=build_address(chosen, after=str(page.after)) if page.after else "",
        roles=[(str(role.id), role.name) for role in roles],
        givable=[(str(role.id), role.name) for role in list_offered_roles(visit.actor, roles)],
        administrators=ADMINISTRATORS,
        may_set_permissions=visit.actor.may(ADMINISTER_PERMISSIONS),
        build_id=build_id(),
    )


def may_administer_people(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_USERS)


def require_form(submitted: Submitted | None) -> Submitted:
    """Raises BadInput: this is for people; programs use the commands."""
    if submitted is None:
        raise BadInput("This is done by a form, or by the command `trovato`; JSON is not taken here.")
    return submitted


@changing_route(blueprint, f"{PEOPLE_PATH}/bulk", form_id=BULK_FORM, access=may_administer_people)
async def change_people(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    if document is not None:
        return await change_people_document(visit, document)
    sent = require_form(submitted)
    payload = read_change(sent)
    roles = await list_assignable_roles(await visit.conn())
    filters = {name: (sent.get(name) or [""])[-1] for name in ("text", "status", "role", "sort")}
    back = build_address(read_people_filter(filters, {role.id for role in roles}))
    if not payload.user_ids:
        await visit.sessions.add_flash(
            await visit.need_session(), "warning", "Nobody was chosen. Tick people first."
        )
        return redirect_after_change(back)
    if payload.change == "block" and "sure" not in sent:
        return await _ask(visit, payload, sent, back)
    key = _build_key(visit, payload, read_build_id(sent))
    job = await submit_and_wait(visit, CHANGE_PEOPLE, payload, key)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    raise_refusal(result)
    session = await visit.need_session()
    if result["changed"]:
        await visit.sessions.add_flash(session, "success", tell_change(payload.change, result["changed"]))
    for refusal in result["refused"][:5]:
        await visit.sessions.add_flash(session, "warning", refusal)
    if len(result["refused"]) > 5:
        await visit.sessions.add_flash(
            session, "warning", f"{len(result['refused']) - 5} more were left alone."
        )
    return redirect_after_change(back)


def _build_key(visit: Visit, payload: ChangePeople, pressed: str) -> str | None:
    """Equal for two presses of one button; not so when the page is gone back to, to choose others."""
    if not pressed:
        return None
    chosen = sorted(map(str, payload.user_ids))
    parts = [BULK_FORM, str(visit.actor.id), pressed, payload.change, str(payload.role_id), *chosen]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


async def _ask(visit: Visit, payload: ChangePeople, sent: Submitted, back: str) -> Response:
    """Who is blocked is logged out, perhaps in the middle of a text, so that it is asked about first."""
    people = await select_people(await visit.conn(), payload.user_ids)
    number = len(people)
    session = await visit.need_session()
    if not people:
        await visit.sessions.add_flash(session, "warning", "None of these accounts is there any more.")
        return redirect_after_change(back)
    return await show_page(
        "admin/people_confirm.html",
        title=f"Block {people[0].name}?" if number == 1 else f"Block {number:,} people?",
        breadcrumbs=[("People", PEOPLE_PATH)],
        names=[person.name for person in people[:NAMED]],
        more=max(0, number - NAMED),
        fields=[(name, value) for name in KEPT for value in sent.get(name, ())],
        back=back,
    )

"""The audit log: who changed what, as a list with filters and as files to take away."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from quart import Blueprint, Response, request

from kernel.audit.model import VIEW_AUDIT
from kernel.audit.store import list_events, list_known
from kernel.errors import NotFound
from kernel.ids import parse_uuid
from kernel.names import OPERATOR_ID, OPERATOR_NAME
from kernel.user.name import normalise_name
from kernel.user.store import find_user_by_name
from web.audit_titles import hide_titles
from web.audit_view import (
    AUDIT_PATH,
    FORMATS,
    PAGE_SIZE,
    Chosen,
    describe_event,
    event_as_data,
    name_action,
    read_chosen,
    write_place,
)
from web.respond import NO_STORE, answer_json, show_page, wants_json
from web.visit import Visit, current_visit

blueprint = Blueprint("admin_audit", __name__)

NOBODY: Final = UUID(int=2**128 - 1)


@blueprint.get(AUDIT_PATH)
async def show_audit() -> Response:
    visit = current_visit()
    visit.require(VIEW_AUDIT)
    chosen = await _read_chosen(visit)
    conn = await visit.conn()
    events = await list_events(conn, chosen.wanted, chosen.after, PAGE_SIZE + 1)
    rest = write_place(events[PAGE_SIZE - 1]) if len(events) > PAGE_SIZE else ""
    shown = await hide_titles(await visit.scope(), conn, events[:PAGE_SIZE])
    if wants_json() or visit.is_token:
        data = {"events": list(map(event_as_data, shown)), "next_after": rest or None}
        return answer_json(data, headers=NO_STORE)
    actions, areas = await list_known(conn)
    return await show_page(
        "admin/audit.html",
        title="Audit log",
        rows=list(map(describe_event, shown)),
        filters=chosen.query,
        is_filtered=chosen.is_filtered,
        finds_titles=chosen.wanted.by_title,
        is_first=chosen.after is None,
        next_after=rest,
        actions=[(name, name_action(name)) for name in actions],
        areas=[(name, name_action(name)) for name in areas],
        formats=sorted(FORMATS),
    )


@blueprint.get(f"{AUDIT_PATH}.<format_name>")
async def export_audit(format_name: str) -> Response:
    """All that the filter lets through, the newest first, as CSV or as JSON lines."""
    visit = current_visit()
    visit.require(VIEW_AUDIT)
    if format_name not in FORMATS:
        raise NotFound("The log can be had as .csv and as .jsonl.")
    content_type, write = FORMATS[format_name]
    chosen = await _read_chosen(visit)
    headers = {"Content-Disposition": f'attachment; filename="audit.{format_name}"', **NO_STORE}
    response = Response(write(visit.rt, visit.ctx, chosen.wanted), 200, headers, content_type=content_type)
    # Nothing of a long log is lost because somebody has a slow line.
    response.timeout = None
    return response


async def _read_chosen(visit: Visit) -> Chosen:
    """With the person looked up; of somebody who is not there, there is nothing. Only who may know each title finds
    by them."""
    chosen = read_chosen(request.args, visit.actor.timezone)
    wanted = replace(chosen.wanted, by_title=visit.actor.is_admin)
    person = chosen.query["person"]
    if person:
        wanted = replace(wanted, actor_id=await _find_actor_id(visit, person))
    return replace(chosen, wanted=wanted)


async def _find_actor_id(visit: Visit, person: str) -> UUID:
    actor_id = parse_uuid(person)
    if actor_id is not None:
        return actor_id
    name = normalise_name(person)
    if name.casefold() == OPERATOR_NAME:
        return OPERATOR_ID
    user = await find_user_by_name(await visit.conn(), name)
    return user.id if user is not None else NOBODY

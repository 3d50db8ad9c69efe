"""The matrix of what each role may do."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response, request

from kernel.errors import BadInput, NotFound, StaleForm
from kernel.names import has_forbidden_text
from kernel.people.grants import PERMISSIONS_PATH, Change, digest_grants, read_grants
from kernel.people.permission import (
    ADMINISTER_PERMISSIONS,
    KnownPermission,
    list_gone,
    list_permissions,
)
from kernel.people.store import list_counted_roles
from kernel.person_jobs import SET_PERMISSIONS, PermissionGrant, SetPermissions
from web.guard import Submitted, changing_route
from web.permission_matrix import (
    Wanted,
    apply_changes,
    build_groups,
    has_restricted_gain,
    read_matrix,
    tell_changes,
    write_seen,
)
from web.respond import redirect_after_change, show_page
from web.routes.admin.people import require_form
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("permissions", __name__)

MATRIX_FORM: Final = "permissions"
TEXT_MAX: Final = 100


def may_set_permissions(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_PERMISSIONS)


@blueprint.get(PERMISSIONS_PATH)
async def show_permissions() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_PERMISSIONS)
    text = request.args.get("filter", "").strip()
    if len(text) > TEXT_MAX or has_forbidden_text(text):
        raise NotFound(f"A text to look for has {TEXT_MAX} characters at most.")
    return await _show_matrix(visit, [], text=text)


async def _redisplay(submitted: Submitted, stale: StaleForm) -> Response:
    """With what was ticked, to be sent again."""
    visit = current_visit()
    try:
        wanted = read_matrix(submitted, await list_permissions(visit.rt, visit.ctx))
    except BadInput:
        raise stale from None
    return await _show_matrix(visit, wanted.changes, message=stale.message, status=stale.status)


@changing_route(
    blueprint, PERMISSIONS_PATH, form_id=MATRIX_FORM, access=may_set_permissions, redisplay=_redisplay
)
async def set_permissions(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Shows what would change before it does: here where no script has shown it, and whenever a role would gain what
    administers something."""
    visit = current_visit()
    sent = require_form(submitted)
    known = await list_permissions(visit.rt, visit.ctx)
    wanted = read_matrix(sent, known)
    changes = wanted.changes
    if not changes:
        await visit.sessions.add_flash(await visit.need_session(), "info", "Nothing was changed.")
        return redirect_after_change(PERMISSIONS_PATH)
    is_sure = bool((sent.get("sure") or [""])[-1])
    is_told = is_sure or bool((sent.get("told") or [""])[-1])
    if not is_told or (has_restricted_gain(changes) and not is_sure):
        return await _ask(visit, wanted, known)
    payload = SetPermissions(
        digest_grants(wanted.seen),
        [PermissionGrant(change.role_id, name) for change in changes for name in change.gains],
        [PermissionGrant(change.role_id, name) for change in changes for name in change.loses],
    )
    job = await submit_and_wait(visit, SET_PERMISSIONS, payload, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    if result["outcome"] == "conflict":
        return await _show_matrix(visit, changes, message=result["message"], wanted=wanted, status=409)
    raise_refusal(result)
    number = sum(change.count for change in changes)
    text = f"{'1 permission was' if number == 1 else f'{number:,} permissions were'} changed, for everybody at once."
    await visit.sessions.add_flash(await visit.need_session(), "success", text)
    return redirect_after_change(PERMISSIONS_PATH)


async def _ask(visit: Visit, wanted: Wanted, known: list[KnownPermission]) -> Response:
    roles = await list_counted_roles(await visit.conn())
    changes = wanted.changes
    await visit.need_session()
    number = sum(change.count for change in changes)
    return await show_page(
        "admin/permissions_confirm.html",
        title="Change 1 permission?" if number == 1 else f"Change {number:,} permissions?",
        breadcrumbs=[("Permissions", PERMISSIONS_PATH)],
        changes=tell_changes(changes, roles, known),
        fields=wanted.as_fields(),
        path=PERMISSIONS_PATH,
        is_grave=has_restricted_gain(changes),
    )


async def _show_matrix(
    visit: Visit,
    changes: list[Change],
    *,
    text: str = "",
    message: str = "",
    wanted: Wanted | None = None,
    status: int = 200,
) -> Response:
    """With these changes ticked and not saved. After a conflict, `wanted` says what had been seen."""
    known = await list_permissions(visit.rt, visit.ctx)
    roles = await list_counted_roles(await visit.conn())
    now = read_grants(roles)
    gone = list_gone(now.values(), known)
    meanwhile = Wanted(wanted.seen, now).changes if wanted is not None else []
    after = apply_changes(changes, now)
    await visit.need_session()
    groups, others = (
        build_groups(rows, roles, after, text=text, is_admin=visit.actor.is_admin) for rows in (known, gone)
    )
    return await show_page(
        "admin/permissions.html",
        title="Permissions",
        status=status,
        roles=roles,
        groups=groups,
        gone=others,
        shown=sum(len(group["rows"]) for group in (*groups, *others)),
        text=text,
        seen=write_seen(now),
        message=message,
        meanwhile=tell_changes(meanwhile, roles, known),
        path=PERMISSIONS_PATH,
    )

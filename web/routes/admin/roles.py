"""The roles of the site: add, rename, delete."""

from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import Forbidden, Invalid, NotFound, StaleForm
from kernel.form.model import Form
from kernel.form.render import render_form
from kernel.form.token import build_dedupe_key
from kernel.form.validate import read_values, validate_form
from kernel.ids import parse_uuid, uuid7
from kernel.people.model import CountedRole
from kernel.people.permission import ADMINISTER_PERMISSIONS, ADMINISTER_USERS, is_restricted
from kernel.people.role import SEEDED
from kernel.people.store import list_counted_roles
from kernel.person_jobs import CHANGE_ROLE, ChangeRole, RoleChange
from web.guard import Submitted, changing_route
from web.people_forms import ROLES_PATH, build_role_delete_form, build_role_form
from web.people_list import PEOPLE_PATH
from web.respond import redirect_after_change, show_page
from web.routes.admin.people import require_form
from web.routes.admin.permissions import may_set_permissions
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("roles", __name__)

ROLE: Final = f"{ROLES_PATH}/<role_id>"
DELETE: Final = f"{ROLE}/delete"


async def load_role(visit: Visit, text: str) -> CountedRole:
    """One that can be changed. Raises NotFound, and Forbidden for the two that are part of every site."""
    role_id = parse_uuid(text)
    roles = await list_counted_roles(await visit.conn())
    role = next((role for role in roles if role.id == role_id), None)
    if role is None:
        raise NotFound("There is no such role.")
    if role.is_seeded:
        raise Forbidden(SEEDED)
    return role


@blueprint.get(ROLES_PATH)
async def show_roles() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_PERMISSIONS)
    return await _show_list(visit, {}, {})


async def _redisplay_list(submitted: Submitted, stale: StaleForm) -> Response:
    raw = read_values(build_role_form(None), submitted).raw
    return await _show_list(current_visit(), raw, {"": stale.message}, status=stale.status)


@changing_route(blueprint, ROLES_PATH, form_id="role", access=may_set_permissions, redisplay=_redisplay_list)
async def add_role(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    form = build_role_form(None)
    submission = validate_form(form, visit.session, require_form(submitted))
    if submission.problems:
        return await _show_list(visit, submission.raw, submission.problems, status=Invalid.status)
    name = submission.values["name"]
    key = build_dedupe_key(form, visit.actor.id, submission)
    result = await _change(visit, "add", uuid7(), name, key)
    if isinstance(result, Response):
        return result
    if result["outcome"] == "invalid":
        return await _show_list(visit, submission.raw, result["problems"], status=Invalid.status)
    return await _go_back(visit, f"The role “{name}” was added. It may do nothing yet.")


@blueprint.get(ROLE)
async def show_role(role_id: str) -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_PERMISSIONS)
    return await _show_form(visit, build_role_form(await load_role(visit, role_id)), {}, {})


@changing_route(blueprint, ROLE, form_id="role", access=may_set_permissions)
async def rename_role(role_id: str, submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    role = await load_role(visit, role_id)
    form = build_role_form(role)
    submission = validate_form(form, visit.session, require_form(submitted))
    problems = submission.problems
    if not problems:
        result = await _change(visit, "rename", role.id, submission.values["name"], None)
        if isinstance(result, Response):
            return result
        problems = result.get("problems", {})
    if problems:
        return await _show_form(visit, form, submission.raw, problems, status=Invalid.status)
    return await _go_back(visit, "The role was renamed.")


@blueprint.get(DELETE)
async def show_delete(role_id: str) -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_PERMISSIONS)
    return await _show_form(visit, build_role_delete_form(await load_role(visit, role_id)), {}, {})


@changing_route(blueprint, DELETE, form_id="role_delete", access=may_set_permissions)
async def delete_role(role_id: str, submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    require_form(submitted)
    role = await load_role(visit, role_id)
    result = await _change(visit, "delete", role.id, role.name, None)
    if isinstance(result, Response):
        return result
    return await _go_back(visit, f"The role “{role.name}” was deleted.")


async def _change(
    visit: Visit, change: RoleChange, role_id: Any, name: str, key: str | None
) -> dict[str, Any] | Response:
    """The result when values are wrong or all went well, the answer when it takes longer. Raises the other refusals."""
    job = await submit_and_wait(visit, CHANGE_ROLE, ChangeRole(change, role_id, name), key)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    if result["outcome"] != "invalid":
        raise_refusal(result)
    return result


async def _go_back(visit: Visit, text: str) -> Response:
    await visit.sessions.add_flash(await visit.need_session(), "success", text)
    return redirect_after_change(ROLES_PATH)


async def _show_list(
    visit: Visit, values: dict[str, Any], problems: dict[str, str], *, status: int = 200
) -> Response:
    roles = await list_counted_roles(await visit.conn())
    session = await visit.need_session()
    return await show_page(
        "admin/roles.html",
        title="Roles",
        status=status,
        rows=[{"role": role, "restricted": sum(map(is_restricted, role.permissions))} for role in roles],
        form=render_form(
            visit.rt.renderer, build_role_form(None), session=session, values=values, problems=problems
        ),
        may_see_people=visit.actor.may(ADMINISTER_USERS),
        people_path=PEOPLE_PATH,
    )


async def _show_form(
    visit: Visit, form: Form, values: dict[str, Any], problems: dict[str, str], *, status: int = 200
) -> Response:
    html = render_form(
        visit.rt.renderer, form, session=await visit.need_session(), values=values, problems=problems
    )
    return await show_page(
        "admin/role_form.html",
        title=form.title,
        status=status,
        breadcrumbs=[("Roles", ROLES_PATH)],
        form=html,
    )

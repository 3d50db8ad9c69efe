"""Why somebody may, or may not, do something: the decision step by step."""

from collections.abc import Sequence
from typing import Any, Final, cast, get_args

from quart import Blueprint, Response, request

from kernel.errors import NotFound
from kernel.ids import parse_uuid
from kernel.item.access import Operation, Step
from kernel.item.decide import is_allowed
from kernel.item.model import Item
from kernel.item.store import select_item
from kernel.names import has_forbidden_text
from kernel.people.explain import explain_item, explain_permission
from kernel.people.model import Person
from kernel.people.permission import ADMINISTER_PERMISSIONS, list_permissions
from kernel.people.store import find_person, list_counted_roles
from kernel.tap.answers import GRANT, NEUTRAL
from kernel.user.name import normalise_name
from kernel.user.store import find_user_by_name
from web.people_list import PEOPLE_PATH
from web.respond import show_page
from web.visit import Visit, current_visit

blueprint = Blueprint("access_reasons", __name__)

PATH: Final = f"{PEOPLE_PATH}/why"
TEXT_MAX: Final = 300


@blueprint.get(PATH)
async def show_reasons() -> Response:
    """`person` is a name or an id, empty for strangers; then either `permission`, or `item` and `operation`."""
    visit = current_visit()
    visit.require(ADMINISTER_PERMISSIONS)
    asked = {
        name: request.args.get(name, "").strip() for name in ("person", "permission", "item", "operation")
    }
    if any(len(text) > TEXT_MAX or has_forbidden_text(text) for text in asked.values()):
        raise NotFound("There is nothing of so long a name.")
    problems: dict[str, str] = {}
    person = await _find_person(visit, asked["person"], problems)
    known = await list_permissions(visit.rt, visit.ctx)
    answer: dict[str, Any] | None = None
    if asked["permission"] and not problems:
        if asked["permission"] not in {permission.name for permission in known}:
            problems["permission"] = "There is no such permission on this site."
        else:
            roles = await list_counted_roles(await visit.conn())
            steps = explain_permission(person, roles, asked["permission"])
            answer = describe_steps(steps, f"do what “{asked['permission']}” allows")
    elif asked["item"] and not problems:
        answer = await _answer_item(visit, person, asked, problems)
    return await show_page(
        "admin/access_reasons.html",
        title="Why may, or may not, somebody do something?",
        breadcrumbs=[("People", PEOPLE_PATH)],
        asked={**asked, "person": person.name if person is not None else asked["person"]},
        problems=dict.fromkeys(asked, "") | problems,
        permissions=[(permission.name, permission.title, permission.group) for permission in known],
        operations=get_args(Operation),
        who=person.name if person is not None else "Somebody who is not logged in",
        answer=answer,
        path=PATH,
    )


async def _find_person(visit: Visit, text: str, problems: dict[str, str]) -> Person | None:
    """None for strangers, and for somebody who is not there, of whom a complaint tells."""
    if not text:
        return None
    conn = await visit.conn()
    user_id = parse_uuid(text)
    if user_id is None:
        user = await find_user_by_name(conn, normalise_name(text))
        user_id = user.id if user is not None else None
    person = await find_person(conn, user_id) if user_id is not None else None
    if person is None:
        problems["person"] = "There is no account of this name."
    return person


async def _answer_item(
    visit: Visit, person: Person | None, asked: dict[str, str], problems: dict[str, str]
) -> dict[str, Any] | None:
    if asked["operation"] not in get_args(Operation):
        problems["operation"] = "Choose what is to be done to it."
        return None
    item = await _find_item(visit, asked["item"])
    if item is None:
        problems["item"] = "There is no such item. Give its address, such as /item/… ."
        return None
    operation = cast("Operation", asked["operation"])
    decision = await explain_item(visit.rt, visit.ctx, person, item, operation)
    return describe_steps(decision.steps, f"{operation} “{item.title}”")


async def _find_item(visit: Visit, text: str) -> Item | None:
    """By its id or its address, of those alone that whoever asks may view."""
    item_id = parse_uuid(text.rstrip("/").removesuffix("/edit").rpartition("/")[2])
    item = await select_item(await visit.conn(), item_id) if item_id is not None else None
    if item is None or not await is_allowed(await visit.scope(), item, "view"):
        return None
    return item


def describe_steps(steps: Sequence[Step], what: str) -> dict[str, Any]:
    """`is_behind` are the steps after the one that decided."""
    rows, is_behind = [], False
    is_allowed_to = False
    for step in steps:
        rows.append({"says": step.says, "reason": step.reason, "plugin": step.plugin, "is_behind": is_behind})
        if step.says != NEUTRAL and not is_behind:
            is_behind, is_allowed_to = True, step.says == GRANT
    return {"rows": rows, "is_allowed": is_allowed_to, "what": what}

"""Makes, renames and deletes roles."""

from typing import Any, Final

from kernel.context import Actor
from kernel.ledger.run import Finish, JobRun
from kernel.people.model import CountedRole
from kernel.people.permission import is_restricted
from kernel.people.rights import find_grant_obstacle
from kernel.people.store import delete_role, insert_role, list_counted_roles, lock_people, rename_role
from kernel.person_jobs import ChangeRole
from kernel.runtime import Runtime
from kernel.user.load import PERMISSIONS_TAG, load_again
from kernel.user.name import check_new_name, normalise_name

ROLES_PATH: Final = "/admin/people/roles"
SEEDED: Final = "This role is part of every site: it can be neither renamed nor deleted."


async def run_change_role(rt: Runtime, run: JobRun) -> None:
    """The work of a `change_role` job."""
    payload: ChangeRole = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        await lock_people(finish.conn)
        roles = await list_counted_roles(finish.conn)
        refusal = _find_refusal(actor, roles, payload)
        if refusal is not None:
            finish.result = refusal
            return
        await _write(finish, payload)
        finish.drop_tags(PERMISSIONS_TAG)
        finish.result = {"outcome": "saved", "path": ROLES_PATH}


def check_role_name(given: str, taken: list[str]) -> str:
    """What is wrong with a name for a role, as a sentence; "" when nothing is."""
    name = normalise_name(given)
    problem = check_new_name(name).replace("username", "name of a role")
    if not problem and name.casefold() in {other.casefold() for other in taken}:
        return f"There is a role “{name}” already."
    return problem


def _find_refusal(actor: Actor, roles: list[CountedRole], payload: ChangeRole) -> dict[str, Any] | None:
    role = next((role for role in roles if role.id == payload.role_id), None)
    restricted = [name for name in role.permissions if is_restricted(name)] if role is not None else []
    obstacle = find_grant_obstacle(actor, sorted(restricted))
    if obstacle:
        return {"outcome": "forbidden", "message": obstacle}
    if payload.change == "add":
        role = None
    elif role is None:
        return {"outcome": "conflict", "message": "This role is gone."}
    elif role.is_seeded:
        return {"outcome": "invalid", "problems": {"name": SEEDED}}
    if payload.change == "delete":
        return None
    taken = [other.name for other in roles if role is None or other.id != role.id]
    problem = check_role_name(payload.name, taken)
    return {"outcome": "invalid", "problems": {"name": problem}} if problem else None


async def _write(finish: Finish, payload: ChangeRole) -> None:
    if payload.change == "add":
        await insert_role(finish.conn, payload.role_id, normalise_name(payload.name))
    elif payload.change == "rename":
        await rename_role(finish.conn, payload.role_id, normalise_name(payload.name))
    else:
        await delete_role(finish.conn, payload.role_id)

"""Blocks and unblocks many people at once, and gives them roles or takes them away."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from kernel.context import Actor
from kernel.db.pool import Connection
from kernel.ledger.run import Finish, JobRun
from kernel.people.model import Person
from kernel.people.rights import find_obstacle, find_role_obstacle
from kernel.people.save import LAST_ADMINISTRATOR
from kernel.people.store import (
    add_role,
    has_administrator_besides,
    list_assignable_roles,
    lock_people,
    remove_role,
    select_people,
    set_active,
)
from kernel.person_jobs import ChangePeople, PeopleChange
from kernel.runtime import Runtime
from kernel.user.load import PERMISSIONS_TAG, load_again
from kernel.user.model import user_tag
from kernel.user.ways_in import end_ways_in_with

OF_ROLES: Final[frozenset[PeopleChange]] = frozenset({"add_role", "remove_role"})
NO_ROLE: Final = "There is no such role to give or take."


async def run_change_people(rt: Runtime, run: JobRun) -> None:
    """The work of a `change_people` job: those who can be changed are, and the result says why others cannot."""
    payload: ChangePeople = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        await lock_people(finish.conn)
        people = await select_people(finish.conn, payload.user_ids)
        refusal = await _find_refusal(finish, actor, payload)
        if refusal:
            finish.result = {"outcome": "forbidden", "message": refusal}
            return
        chosen, refused = await choose(actor, people, payload.change, finish.conn)
        ids = [person.id for person in chosen]
        await _write(finish, payload, ids)
        if payload.change == "block":
            # Before the commit: when Redis does not answer, nothing was changed, and the job is tried again.
            await end_ways_in_with(rt, finish, ids)
        finish.drop_tags(PERMISSIONS_TAG, *(user_tag(user_id) for user_id in ids))
        finish.result = {
            "outcome": "done",
            "changed": len(chosen),
            "ids": [str(user_id) for user_id in ids],
            "refused": refused,
            "path": "/admin/people",
            "role": await _name_role(finish, payload),
        }


async def choose(
    actor: Actor, people: Sequence[Person], change: PeopleChange, conn: Connection
) -> tuple[list[Person], list[str]]:
    """Those whom it can be done to, and a sentence for each of the others. `conn` has people locked."""
    chosen, refused = [], []
    for person in people:
        obstacle = find_obstacle(actor, person)
        if not obstacle and change == "block" and person.id == actor.id:
            obstacle = "You cannot block yourself."
        if obstacle:
            refused.append(obstacle)
        else:
            chosen.append(person)
    if change != "block":
        return chosen, refused
    administrators = [person for person in chosen if person.user.is_admin and person.user.is_active]
    if administrators and not await has_administrator_besides(conn, [person.id for person in administrators]):
        kept = administrators[0]
        chosen.remove(kept)
        refused.append(f"{kept.name}: {LAST_ADMINISTRATOR}")
    return chosen, refused


async def _find_refusal(finish: Finish, actor: Actor, payload: ChangePeople) -> str:
    if payload.change not in OF_ROLES:
        return ""
    role = next(
        (role for role in await list_assignable_roles(finish.conn) if role.id == payload.role_id), None
    )
    if role is None:
        return NO_ROLE
    return find_role_obstacle(actor, [role])


async def _name_role(finish: Finish, payload: ChangePeople) -> str | None:
    """For the audit log, which tells of it also when the role is gone."""
    roles = await list_assignable_roles(finish.conn)
    return next((role.name for role in roles if role.id == payload.role_id), None)


async def _write(finish: Finish, payload: ChangePeople, user_ids: Sequence[UUID]) -> None:
    if payload.change in OF_ROLES and payload.role_id is not None:
        await (add_role if payload.change == "add_role" else remove_role)(
            finish.conn, user_ids, payload.role_id
        )
    else:
        await set_active(finish.conn, user_ids, is_active=payload.change == "unblock")

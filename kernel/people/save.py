"""Makes and changes one account, with everything checked again where nobody else can change it meanwhile."""

from typing import Any
from uuid import UUID

from kernel import clock
from kernel.context import Actor
from kernel.ledger.run import Finish, JobRun
from kernel.names import PAGES_TAG
from kernel.people.model import Person
from kernel.people.permission import ADMINISTER_USERS
from kernel.people.rights import (
    NOT_PEOPLE,
    ONLY_ADMINISTRATORS,
    OWN_MAIL,
    OWN_PASSWORD,
    find_obstacle,
    find_opening_obstacle,
    find_role_obstacle,
)
from kernel.people.store import (
    find_mail_owner,
    find_person,
    has_administrator_besides,
    insert_person,
    list_assignable_roles,
    lock_people,
    set_roles,
    update_person,
    update_timezone,
)
from kernel.person_jobs import SaveAccount, SavePerson
from kernel.runtime import Runtime
from kernel.user.account import check_mail
from kernel.user.entry.notices import ADDRESS_CHANGED, PASSWORD_CHANGED, tell_person
from kernel.user.load import PERMISSIONS_TAG, load_again
from kernel.user.model import user_tag
from kernel.user.name import check_new_name, normalise_name
from kernel.user.proof.reset import close_other_ways_in
from kernel.user.proof.store import delete_links
from kernel.user.store import update_pass_hash
from kernel.user.taken_name import check_taken_name
from kernel.user.timezone import is_timezone

LAST_ADMINISTRATOR = (
    "This is the last administrator who can log in. Make somebody else an administrator first."
)
CHANGED_MEANWHILE = "Somebody changed this account meanwhile. Look at it as it is now, then change it again."


async def run_save_person(rt: Runtime, run: JobRun) -> None:
    """The work of a `save_person` job."""
    payload: SavePerson = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        await lock_people(finish.conn)
        person = await find_person(finish.conn, payload.user_id)
        refusal = await _find_refusal(finish, actor, person, payload)
        if refusal is not None:
            finish.result = refusal
            return
        await _write(finish, person, payload)
        await _tell(rt, finish, person, payload)
        is_locked_out = person is not None and (payload.pass_hash is not None or not payload.is_active)
        if is_locked_out:
            # Before the commit: when Redis does not answer, nothing was changed, and the job is tried again.
            await close_other_ways_in(rt, finish, payload.user_id)
        elif person is not None and person.user.mail != payload.mail:
            # Whoever reads the old mailbox, or asked for another address, has no more say.
            await delete_links(finish.conn, payload.user_id, ["reset", "address"])
        finish.drop_tags(user_tag(payload.user_id), PERMISSIONS_TAG)
        if person is not None and person.name != normalise_name(payload.name):
            # A name stands wherever something of its person is listed.
            finish.drop_tags(PAGES_TAG)
        roles = await list_assignable_roles(finish.conn)
        finish.result = {
            "outcome": "saved",
            "path": f"/admin/people/{payload.user_id}",
            "roles": sorted(role.name for role in roles if role.id in payload.role_ids),
        }
        if person is not None:
            is_renamed = person.name != normalise_name(payload.name)
            finish.result |= {
                "name_before": person.name if is_renamed else None,
                "mail_changed": person.user.mail != payload.mail,
            }


async def run_save_account(_rt: Runtime, run: JobRun) -> None:
    """The work of a `save_account` job, which is about the account of its actor alone."""
    payload: SaveAccount = run.payload
    async with run.finish() as finish:
        if payload.user_id != run.ctx.actor.id:
            finish.result = {"outcome": "forbidden", "message": "This is somebody else's account."}
        elif payload.timezone and not is_timezone(payload.timezone):
            finish.result = {"outcome": "invalid", "problems": {"timezone": "There is no such time zone."}}
        else:
            await update_timezone(finish.conn, payload.user_id, payload.timezone)
            finish.drop_tags(user_tag(payload.user_id))
            finish.result = {"outcome": "saved", "path": "/user"}


async def _find_refusal(
    finish: Finish, actor: Actor, person: Person | None, payload: SavePerson
) -> dict[str, Any] | None:
    """The result of a job that changes nothing, if that is what comes of it."""
    if (person is None) != (not payload.seen) or (person is not None and person.digest() != payload.seen):
        message = "This account is gone." if person is None else CHANGED_MEANWHILE
        return {"outcome": "conflict", "message": message}
    obstacle = await _find_obstacle(finish, actor, person, payload)
    if obstacle:
        return {"outcome": "forbidden", "message": obstacle}
    problems = await _check(finish, actor, person, payload)
    problems = {field: problem for field, problem in problems.items() if problem}
    return {"outcome": "invalid", "problems": problems} if problems else None


async def _find_obstacle(finish: Finish, actor: Actor, person: Person | None, payload: SavePerson) -> str:
    if not actor.may(ADMINISTER_USERS):
        return NOT_PEOPLE
    obstacle = find_obstacle(actor, person) if person is not None else ""
    was_admin = person.user.is_admin if person is not None else False
    if not obstacle and payload.is_admin != was_admin and not actor.is_admin:
        obstacle = f"Administrators are made by administrators. {ONLY_ADMINISTRATORS}"
    if obstacle:
        return obstacle
    had = person.role_ids if person is not None else frozenset[UUID]()
    wanted = frozenset(payload.role_ids)
    roles = await list_assignable_roles(finish.conn)
    return find_role_obstacle(actor, [role for role in roles if role.id in wanted ^ had])


async def _check(finish: Finish, actor: Actor, person: Person | None, payload: SavePerson) -> dict[str, str]:
    problems = {"name": await _check_name(finish, person, payload.name)}
    if payload.mail is not None and (person is None or person.user.mail != payload.mail):
        problems["mail"] = check_mail(payload.mail)
        owner = None if problems["mail"] else await find_mail_owner(finish.conn, payload.mail)
        if owner not in {None, payload.user_id}:
            problems["mail"] = "Another account has this address already."
    if not frozenset(payload.role_ids) <= {role.id for role in await list_assignable_roles(finish.conn)}:
        problems["roles"] = "One of these roles is gone. Choose from those that are there."
    if person is not None:
        problems |= _check_opening(actor, person, payload) | await _check_loss(finish, actor, person, payload)
    return problems


def _check_opening(actor: Actor, person: Person, payload: SavePerson) -> dict[str, str]:
    """A password opens the account, and so does a letter to its address."""
    changed = {"password": payload.pass_hash is not None, "mail": payload.mail != person.user.mail}
    if person.id == actor.id:
        obstacles = {"password": OWN_PASSWORD, "mail": OWN_MAIL}
    else:
        obstacles = dict.fromkeys(changed, find_opening_obstacle(actor, person))
    return {name: obstacles[name] for name, is_changed in changed.items() if is_changed}


async def _check_loss(finish: Finish, actor: Actor, person: Person, payload: SavePerson) -> dict[str, str]:
    """That nobody shuts themselves out, and that the site keeps an administrator."""
    if actor.id == person.id and not payload.is_active:
        return {"active": "You cannot block yourself."}
    if actor.id == person.id and person.user.is_admin and not payload.is_admin:
        return {"admin": "You cannot take this away from yourself. Another administrator can."}
    is_administrator = person.user.is_admin and person.user.is_active
    stays_administrator = payload.is_admin and payload.is_active
    if (
        is_administrator
        and not stays_administrator
        and not await has_administrator_besides(finish.conn, [person.id])
    ):
        return {"admin" if payload.is_active else "active": LAST_ADMINISTRATOR}
    return {}


async def _check_name(finish: Finish, person: Person | None, given: str) -> str:
    """A name that stays as it is was good enough when it was given."""
    name = normalise_name(given)
    if person is not None and person.name == name:
        return ""
    problem = check_new_name(name)
    if problem:
        return problem
    owner_id, before = (person.id, person.name) if person is not None else (None, None)
    return await check_taken_name(name, finish.conn, owner_id=owner_id, before=before)


async def _tell(rt: Runtime, finish: Finish, person: Person | None, payload: SavePerson) -> None:
    """At the address of before, to somebody who was there before."""
    if person is None or person.user.mail is None:
        return
    for notice, is_due in (
        (PASSWORD_CHANGED, payload.pass_hash is not None),
        (ADDRESS_CHANGED, payload.mail != person.user.mail),
    ):
        if is_due:
            await tell_person(finish, rt.config, person.id, notice, mail=person.user.mail)


async def _write(finish: Finish, person: Person | None, payload: SavePerson) -> None:
    name = normalise_name(payload.name)
    if person is None:
        await insert_person(
            finish.conn,
            user_id=payload.user_id,
            name=name,
            mail=payload.mail,
            pass_hash=payload.pass_hash,
            now=clock.now(),
        )
    elif payload.pass_hash is not None:
        await update_pass_hash(finish.conn, payload.user_id, payload.pass_hash)
    await update_person(
        finish.conn,
        user_id=payload.user_id,
        name=name,
        mail=payload.mail,
        is_active=payload.is_active,
        is_admin=payload.is_admin,
    )
    await set_roles(finish.conn, payload.user_id, payload.role_ids)

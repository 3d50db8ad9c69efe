"""The commands about people: accounts, login links and API tokens.

Each change is made by the job that the pages submit for it, so that the same rules hold and the audit log tells of it.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

import click

from kernel import clock
from kernel.app.command import with_kernel
from kernel.app.own_job import do_own_job
from kernel.app.prepare import create_login_path, get_user_by_name
from kernel.app.roles import build_no_role, require_known
from kernel.errors import Forbidden, Invalid, NotFound
from kernel.ids import uuid7
from kernel.login_jobs import NOTE_LOGIN_LINK, RESET_SECOND_FACTOR, NoteLoginLink, ResetSecondFactor
from kernel.mail.address import normalise_address
from kernel.people.api_token import DAYS_MAX, run_delete_api_token, run_save_api_token
from kernel.people.change import run_change_people
from kernel.people.login_link import run_note_login_link
from kernel.people.model import Person
from kernel.people.save import run_save_person
from kernel.people.store import find_person, list_assignable_roles
from kernel.person_jobs import (
    CHANGE_PEOPLE,
    DELETE_API_TOKEN,
    SAVE_API_TOKEN,
    SAVE_PERSON,
    ChangePeople,
    DeleteApiToken,
    PeopleChange,
    SaveApiToken,
    SavePerson,
)
from kernel.runtime import Runtime
from kernel.user.account import ensure_administrator
from kernel.user.entry.second_factor import run_reset_second_factor
from kernel.user.name import normalise_name
from kernel.user.password import check_password, hash_password
from kernel.user.store import list_api_tokens, list_users
from kernel.user.token import build_api_token, digest_api_token

# Until a token expires, as the page has it.
TOKEN_DAYS: Final = 90


@click.group()
def user() -> None:
    """Accounts, login links and API tokens."""


@user.command("create")
@click.argument("name")
@click.option("--mail", help="Address for messages of the site.")
@click.option("--admin", is_flag=True, help="May do everything.")
@click.password_option(help="Asked for when it is not given.")
def user_create(name: str, mail: str | None, admin: bool, password: str) -> None:
    """Make an account."""

    async def work(rt: Runtime) -> SavePerson:
        wanted = SavePerson(
            user_id=uuid7(),
            seen="",
            name=normalise_name(name),
            mail=normalise_address(mail) if mail is not None else None,
            is_active=True,
            is_admin=admin,
            role_ids=[],
            pass_hash=await _hash(password),
        )
        await do_own_job(rt, SAVE_PERSON, wanted, run_save_person)
        return wanted

    created = with_kernel(work, with_plugins=False)
    click.echo(f"{created.name} {created.user_id}")


@user.command("list")
def user_list() -> None:
    """Show all accounts."""

    async def work(rt: Runtime) -> None:
        async with rt.db.acquire() as conn:
            for person in await list_users(conn):
                notes = [("administrator", person.is_admin), ("blocked", not person.is_active)]
                click.echo("  ".join([person.name, *(note for note, is_true in notes if is_true)]))

    with_kernel(work)


@user.command("passwd")
@click.argument("name")
@click.password_option(help="Asked for when it is not given.")
def user_passwd(name: str, password: str) -> None:
    """Give NAME another password, and log them out everywhere."""

    async def work(rt: Runtime) -> None:
        person = await _get_person(rt, name)
        wanted = SavePerson(
            user_id=person.id,
            seen=person.digest(),
            name=person.name,
            mail=person.user.mail,
            is_active=person.user.is_active,
            is_admin=person.user.is_admin,
            role_ids=sorted(person.role_ids),
            pass_hash=await _hash(password),
        )
        await do_own_job(rt, SAVE_PERSON, wanted, run_save_person)

    with_kernel(work, with_plugins=False)
    click.echo("The password is set.")


@user.command("block")
@click.argument("name")
def user_block(name: str) -> None:
    """Keep NAME out from now on; sessions and API tokens stop working."""
    _change(name, "block")
    click.echo("Blocked.")


@user.command("unblock")
@click.argument("name")
def user_unblock(name: str) -> None:
    """Let NAME in again."""
    _change(name, "unblock")
    click.echo("Unblocked.")


@user.command("role")
@click.argument("name")
@click.argument("role")
@click.option("--remove", is_flag=True, help="Take the role away.")
def user_role(name: str, role: str, remove: bool) -> None:
    """Give NAME the ROLE."""
    _change(name, "remove_role" if remove else "add_role", role)


@user.command("login-link")
@click.argument("name", required=False)
def user_login_link(name: str | None) -> None:
    """Print an address that logs NAME (without one: the first administrator) in once."""

    async def work(rt: Runtime) -> str:
        person = await (get_user_by_name(rt, name) if name is not None else ensure_administrator(rt.db))
        await do_own_job(rt, NOTE_LOGIN_LINK, NoteLoginLink(person.id), run_note_login_link)
        return f"{rt.config.public_url}{await create_login_path(rt, person.id)}"

    click.echo(with_kernel(work, with_plugins=False))


@user.command("reset-second-factor")
@click.argument("name")
def user_reset_second_factor(name: str) -> None:
    """Let NAME log in without a code, after the phone was lost and the recovery codes too."""

    async def work(rt: Runtime) -> bool:
        person = await get_user_by_name(rt, name)
        wanted = ResetSecondFactor(person.id)
        result = await do_own_job(rt, RESET_SECOND_FACTOR, wanted, run_reset_second_factor)
        return bool(result["was_on"])

    was_on = with_kernel(work, with_plugins=False)
    click.echo("The password alone is asked for now." if was_on else "There was no second factor.")


@user.command("token")
@click.argument("name")
@click.option("--label", default="script", show_default=True, help="What the token is for.")
@click.option(
    "--days",
    type=click.IntRange(1, DAYS_MAX),
    default=TOKEN_DAYS,
    show_default=True,
    help="Days until it expires.",
)
@click.option("--scope", multiple=True, help="A permission to limit it to, as often as needed.")
def user_token(name: str, label: str, days: int, scope: tuple[str, ...]) -> None:
    """Print a new API token with which a program acts as NAME. It is shown this once."""

    async def work(rt: Runtime) -> str:
        person = await get_user_by_name(rt, name)
        for permission in scope:
            await require_known(rt, permission)
        token = build_api_token()
        wanted = SaveApiToken(
            token_id=uuid7(),
            user_id=person.id,
            digest=digest_api_token(token).hex(),
            label=label,
            expires=clock.now() + timedelta(days=days),
            scope=list(scope) or None,
        )
        await do_own_job(rt, SAVE_API_TOKEN, wanted, run_save_api_token)
        return token

    click.echo(with_kernel(work, with_plugins=bool(scope)))


@user.command("tokens")
@click.argument("name")
@click.option("--delete", "token_id", type=click.UUID, help="The token with this id stops working.")
def user_tokens(name: str, token_id: UUID | None) -> None:
    """Show the API tokens of NAME."""

    async def work(rt: Runtime) -> None:
        person = await get_user_by_name(rt, name)
        async with rt.db.acquire() as conn:
            tokens = await list_api_tokens(conn, person.id)
        if token_id is not None:
            if token_id not in {token.id for token in tokens}:
                raise NotFound(f"{person.name} has no token {token_id}.")
            await do_own_job(rt, DELETE_API_TOKEN, DeleteApiToken(person.id, token_id), run_delete_api_token)
            tokens = [token for token in tokens if token.id != token_id]
        for token in tokens:
            until = f"until {token.expires:%Y-%m-%d}" if token.expires else "for ever"
            click.echo(f"{token.id}  {token.label}  {until}")

    with_kernel(work)


def _change(name: str, change: PeopleChange, role_name: str = "") -> None:
    async def work(rt: Runtime) -> None:
        person = await get_user_by_name(rt, name)
        role_id = await _get_role_id(rt, role_name) if role_name else None
        wanted = ChangePeople(change, [person.id], role_id)
        result = await do_own_job(rt, CHANGE_PEOPLE, wanted, run_change_people)
        if result["refused"]:
            raise Forbidden(result["refused"][0])

    with_kernel(work, with_plugins=False)


async def _get_person(rt: Runtime, name: str) -> Person:
    """Raises NotFound."""
    user = await get_user_by_name(rt, name)
    async with rt.db.acquire() as conn:
        person = await find_person(conn, user.id)
    if person is None:
        raise NotFound(f"The account {user.name!r} is gone.")
    return person


async def _get_role_id(rt: Runtime, name: str) -> UUID:
    """Of a role that can be given. Raises NotFound."""
    async with rt.db.acquire() as conn:
        roles = await list_assignable_roles(conn)
    role_id = next((role.id for role in roles if role.name == name), None)
    if role_id is None:
        raise build_no_role(name, [role.name for role in roles])
    return role_id


async def _hash(password: str) -> str:
    """Raises Invalid."""
    problem = check_password(password)
    if problem:
        raise Invalid({"password": problem})
    return await hash_password(password)

"""The commands about people: accounts, roles, login links and API tokens."""

from datetime import timedelta
from difflib import get_close_matches
from uuid import UUID

import click

from kernel import clock
from kernel.app.command import with_kernel
from kernel.app.prepare import create_login_path, get_user_by_name
from kernel.context import Context
from kernel.errors import NotFound
from kernel.people.change import set_blocked
from kernel.people.permission import list_permissions
from kernel.people.save import set_new_password
from kernel.runtime import Runtime
from kernel.user.account import create_api_token, create_user
from kernel.user.entry.second_factor import reset_second_factor
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.store import (
    assign_role,
    delete_api_token,
    grant_permission,
    insert_role,
    list_api_tokens,
    list_roles,
    list_users,
    revoke_permission,
    unassign_role,
)


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
    created = with_kernel(
        lambda rt: create_user(rt.db, name=name, password=password, mail=mail, is_admin=admin)
    )
    click.echo(f"{created.name} {created.id}")


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
        person = await get_user_by_name(rt, name)
        await set_new_password(rt, person.id, password)

    with_kernel(work, with_plugins=False)
    click.echo("The password is set.")


@user.command("block")
@click.argument("name")
def user_block(name: str) -> None:
    """Keep NAME out from now on; sessions and API tokens stop working."""
    _set_blocked(name, is_blocked=True)
    click.echo("Blocked.")


@user.command("unblock")
@click.argument("name")
def user_unblock(name: str) -> None:
    """Let NAME in again."""
    _set_blocked(name, is_blocked=False)
    click.echo("Unblocked.")


def _set_blocked(name: str, *, is_blocked: bool) -> None:
    async def work(rt: Runtime) -> None:
        person = await get_user_by_name(rt, name)
        await set_blocked(rt, person.id, is_blocked=is_blocked)

    with_kernel(work, with_plugins=False)


@user.command("role")
@click.argument("name")
@click.argument("role")
@click.option("--remove", is_flag=True, help="Take the role away.")
def user_role(name: str, role: str, remove: bool) -> None:
    """Give NAME the ROLE."""

    async def work(rt: Runtime) -> None:
        person = await get_user_by_name(rt, name)
        async with rt.db.transaction() as tx:
            await (unassign_role if remove else assign_role)(tx.conn, person.id, role)
        await rt.cache.drop([PERMISSIONS_TAG])

    with_kernel(work)


@user.command("login-link")
@click.argument("name", required=False)
def user_login_link(name: str | None) -> None:
    """Print an address that logs NAME (without one: the first administrator) in once."""

    async def work(rt: Runtime) -> str:
        return f"{rt.config.public_url}{await create_login_path(rt, name)}"

    click.echo(with_kernel(work))


@user.command("reset-second-factor")
@click.argument("name")
def user_reset_second_factor(name: str) -> None:
    """Let NAME log in without a code, after the phone was lost and the recovery codes too."""

    async def work(rt: Runtime) -> bool:
        person = await get_user_by_name(rt, name)
        return await reset_second_factor(rt, person.id)

    click.echo("The password alone is asked for now." if with_kernel(work) else "There was no second factor.")


@user.command("token")
@click.argument("name")
@click.option("--label", default="script", show_default=True, help="What the token is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires; without it, never.")
@click.option("--scope", multiple=True, help="A permission to limit it to, as often as needed.")
def user_token(name: str, label: str, days: int | None, scope: tuple[str, ...]) -> None:
    """Print a new API token with which a program acts as NAME. It is shown this once."""

    async def work(rt: Runtime) -> str:
        person = await get_user_by_name(rt, name)
        expires = clock.now() + timedelta(days=days) if days else None
        for permission in scope:
            await _require_known(rt, permission)
        return await create_api_token(
            rt.db, user_id=person.id, label=label, expires=expires, scope=scope or None
        )

    click.echo(with_kernel(work))


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
                await delete_api_token(conn, token_id)
                tokens = [token for token in tokens if token.id != token_id]
        for token in tokens:
            until = f"until {token.expires:%Y-%m-%d}" if token.expires else "for ever"
            click.echo(f"{token.id}  {token.label}  {until}")

    with_kernel(work)


@click.group()
def role() -> None:
    """Roles and what they may do."""


@role.command("list")
def role_list() -> None:
    """Show the roles with their permissions."""

    async def work(rt: Runtime) -> None:
        async with rt.db.acquire() as conn:
            for entry in await list_roles(conn):
                click.echo(f"{entry.name}: {', '.join(sorted(entry.permissions)) or 'nothing'}")

    with_kernel(work)


@role.command("create")
@click.argument("name")
def role_create(name: str) -> None:
    """Make a role that may do nothing yet."""

    async def work(rt: Runtime) -> bool:
        async with rt.db.transaction() as tx:
            return await insert_role(tx.conn, name.strip())

    if not name.strip():
        raise click.BadParameter("A role needs a name.")
    click.echo("Made." if with_kernel(work) else "There is a role of that name already.")


@role.command("grant")
@click.argument("role_name", metavar="ROLE")
@click.argument("permission")
@click.option("--revoke", is_flag=True, help="Take the permission away.")
def role_grant(role_name: str, permission: str, revoke: bool) -> None:
    """Let everybody with ROLE do what PERMISSION says, for example "create blog content"."""

    async def work(rt: Runtime) -> None:
        if not revoke:
            await _require_known(rt, permission)
        async with rt.db.transaction() as tx:
            await (revoke_permission if revoke else grant_permission)(tx.conn, role_name, permission)
        await rt.cache.drop([PERMISSIONS_TAG])

    with_kernel(work)


async def _require_known(rt: Runtime, permission: str) -> None:
    """Raises NotFound for a permission that nothing on this site asks for: it would be misspelt."""
    names = [known.name for known in await list_permissions(rt, Context())]
    if permission in names:
        return
    near = get_close_matches(permission, names, n=3)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise NotFound(f"Nothing on this site asks for the permission {permission[:60]!r}.{hint}")

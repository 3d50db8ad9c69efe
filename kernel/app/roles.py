"""The commands about roles and what they may do, made by the jobs that the pages submit for the same."""

from collections.abc import Sequence
from difflib import get_close_matches

import click

from kernel.app.command import with_kernel
from kernel.app.own_job import do_own_job
from kernel.context import Context
from kernel.errors import NotFound
from kernel.ids import uuid7
from kernel.people.grants import digest_grants, read_grants, run_set_permissions
from kernel.people.permission import list_permissions
from kernel.people.role import run_change_role
from kernel.people.store import list_counted_roles
from kernel.person_jobs import CHANGE_ROLE, SET_PERMISSIONS, ChangeRole, PermissionGrant, SetPermissions
from kernel.runtime import Runtime
from kernel.user.store import list_roles


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

    async def work(rt: Runtime) -> None:
        await do_own_job(rt, CHANGE_ROLE, ChangeRole("add", uuid7(), name), run_change_role)

    with_kernel(work, with_plugins=False)
    click.echo("Made.")


@role.command("grant")
@click.argument("role_name", metavar="ROLE")
@click.argument("permission")
@click.option("--revoke", is_flag=True, help="Take the permission away.")
def role_grant(role_name: str, permission: str, revoke: bool) -> None:
    """Let everybody with ROLE do what PERMISSION says, for example "create blog content"."""

    async def work(rt: Runtime) -> None:
        if not revoke:
            await require_known(rt, permission)
        async with rt.db.acquire() as conn:
            roles = await list_counted_roles(conn)
        found = next((role for role in roles if role.name == role_name), None)
        if found is None:
            raise build_no_role(role_name, [role.name for role in roles])
        if (permission in found.permissions) is not revoke:
            return
        change = [PermissionGrant(found.id, permission)]
        seen = digest_grants(read_grants(roles))
        wanted = SetPermissions(seen, grants=[] if revoke else change, revokes=change if revoke else [])
        await do_own_job(rt, SET_PERMISSIONS, wanted, run_set_permissions)

    with_kernel(work, with_plugins=not revoke)


async def require_known(rt: Runtime, permission: str) -> None:
    """Raises NotFound for a permission that nothing on this site asks for: it would be misspelt."""
    names = [known.name for known in await list_permissions(rt, Context())]
    if permission in names:
        return
    near = get_close_matches(permission, names, n=3)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise NotFound(f"Nothing on this site asks for the permission {permission[:60]!r}.{hint}")


def build_no_role(name: str, known: Sequence[str]) -> NotFound:
    return NotFound(f"There is no such role: {name[:60]!r}. There are: {', '.join(known) or 'none'}.")

"""Who is granted what: as a value that can be compared, and the job that changes it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

import orjson

from kernel.ledger.run import JobRun
from kernel.people.model import CountedRole
from kernel.people.permission import is_restricted
from kernel.people.rights import find_grant_obstacle
from kernel.people.store import delete_grants, insert_grants, list_counted_roles, lock_people
from kernel.person_jobs import PermissionGrant, SetPermissions
from kernel.runtime import Runtime
from kernel.user.load import PERMISSIONS_TAG, load_again

PERMISSIONS_PATH: Final = "/admin/people/permissions"
# What each role may do.
Grants: TypeAlias = Mapping[UUID, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Change:
    """`gains` and `loses` are permissions, by name."""

    role_id: UUID
    gains: tuple[str, ...]
    loses: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.gains) + len(self.loses)


def read_grants(roles: Iterable[CountedRole]) -> dict[UUID, frozenset[str]]:
    return {role.id: role.permissions for role in roles}


def digest_grants(grants: Grants) -> str:
    """Another one after every change, also of which roles there are."""
    parts = [[str(role_id), sorted(names)] for role_id, names in sorted(grants.items())]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def compare_grants(before: Grants, after: Grants) -> list[Change]:
    """For each role of `after` in which something differs."""
    changes = []
    for role_id, names in after.items():
        had = before.get(role_id, frozenset())
        if names != had:
            changes.append(Change(role_id, tuple(sorted(names - had)), tuple(sorted(had - names))))
    return changes


async def run_set_permissions(rt: Runtime, run: JobRun) -> None:
    """The work of a `set_permissions` job: all of it, or nothing when somebody else was faster."""
    payload: SetPermissions = run.payload
    actor = await load_again(rt, run.ctx.actor)
    touched = [*payload.grants, *payload.revokes]
    restricted = sorted({one.permission for one in touched if is_restricted(one.permission)})
    async with run.finish() as finish:
        await lock_people(finish.conn)
        grants = read_grants(await list_counted_roles(finish.conn))
        obstacle = find_grant_obstacle(actor, restricted)
        if obstacle:
            finish.result = {"outcome": "forbidden", "message": obstacle}
        elif digest_grants(grants) != payload.seen or not {one.role_id for one in touched} <= grants.keys():
            message = "Somebody changed the permissions meanwhile. Nothing of yours was saved."
            finish.result = {"outcome": "conflict", "message": message}
        else:
            await delete_grants(finish.conn, _list_pairs(payload.revokes))
            await insert_grants(finish.conn, _list_pairs(payload.grants))
            finish.drop_tags(PERMISSIONS_TAG)
            finish.result = {"outcome": "saved", "path": PERMISSIONS_PATH, "changed": len(touched)}


def _list_pairs(grants: Iterable[PermissionGrant]) -> list[tuple[UUID, str]]:
    return [(one.role_id, one.permission) for one in grants]

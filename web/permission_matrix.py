"""The matrix of permissions and roles: as it is shown, as it comes back, and what differs."""

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from kernel.errors import BadInput
from kernel.ids import parse_uuid
from kernel.people.grants import Change, Grants, compare_grants
from kernel.people.model import CountedRole
from kernel.people.permission import KnownPermission, is_restricted

# Of what a page says it has shown, in bytes.
SEEN_MAX: Final = 2_000_000
UNREADABLE: Final = "What the page had shown could not be read. Open it again."


@dataclass(frozen=True, slots=True)
class Wanted:
    """`seen` is who was granted what when the page was shown, `after` what somebody wants instead."""

    seen: Grants
    after: Grants

    @property
    def changes(self) -> list[Change]:
        return compare_grants(self.seen, self.after)

    def as_fields(self) -> list[tuple[str, str]]:
        """The same as a form sends it, with the rows alone in which something changes."""
        names = sorted({name for change in self.changes for name in (*change.gains, *change.loses)})
        cells = [
            (str(role_id), name)
            for role_id, granted in self.after.items()
            for name in names
            if name in granted
        ]
        return [("seen", write_seen(self.seen)), *(("shown", name) for name in names), *cells]


def write_seen(grants: Grants) -> str:
    """What the page shows, for the page to bring back: so a conflict can be told with what has changed."""
    plain = orjson.dumps({str(role_id): sorted(names) for role_id, names in sorted(grants.items())})
    return base64.urlsafe_b64encode(zlib.compress(plain, 9)).decode()


def read_seen(text: str) -> dict[UUID, frozenset[str]]:
    """Raises BadInput."""
    try:
        unpacked = zlib.decompressobj().decompress(base64.urlsafe_b64decode(text.encode()), SEEN_MAX)
        document: Any = orjson.loads(unpacked)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise BadInput(UNREADABLE) from error
    if not isinstance(document, dict):
        raise BadInput(UNREADABLE)
    grants = {}
    for key, names in document.items():
        role_id = parse_uuid(key)
        if role_id is None or not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise BadInput(UNREADABLE)
        grants[role_id] = frozenset(names)
    return grants


def read_matrix(submitted: Mapping[str, Sequence[str]], known: Iterable[KnownPermission]) -> Wanted:
    """A row that was not shown stays as it is, and so does a role that was not there. Raises BadInput."""
    seen = read_seen((submitted.get("seen") or [""])[-1])
    shown = frozenset(submitted.get("shown", ()))
    names = {permission.name for permission in known} | {
        name for granted in seen.values() for name in granted
    }
    strange = shown - names
    if strange:
        raise BadInput(f"There is no permission {min(strange)[:60]!r}.")
    after = {
        role_id: (granted - shown) | (shown & frozenset(submitted.get(str(role_id), ())))
        for role_id, granted in seen.items()
    }
    return Wanted(seen, after)


def apply_changes(changes: Iterable[Change], grants: Grants) -> dict[UUID, frozenset[str]]:
    """The same changes of another state, as far as its roles are still there."""
    after = dict(grants)
    for change in changes:
        if change.role_id in after:
            after[change.role_id] = (after[change.role_id] | set(change.gains)) - set(change.loses)
    return after


def has_restricted_gain(changes: Iterable[Change]) -> bool:
    return any(is_restricted(name) for change in changes for name in change.gains)


def tell_changes(
    changes: Iterable[Change], roles: Iterable[CountedRole], permissions: Iterable[KnownPermission]
) -> list[dict[str, Any]]:
    """For people: by role, what it gains and loses."""
    names = {role.id: role.name for role in roles}
    titles = {permission.name: permission for permission in permissions}

    def tell(name: str) -> dict[str, Any]:
        known = titles.get(name)
        return {"name": name, "title": known.title if known else name, "is_restricted": is_restricted(name)}

    return [
        {
            "role": names.get(change.role_id, "a role that is gone"),
            "gains": [tell(name) for name in change.gains],
            "loses": [tell(name) for name in change.loses],
        }
        for change in changes
    ]


def build_groups(
    permissions: Iterable[KnownPermission],
    roles: Sequence[CountedRole],
    after: Grants,
    *,
    text: str,
    is_admin: bool,
) -> list[dict[str, Any]]:
    """The rows that hold the text, group after group. A cell is granted now, and ticked when that is wanted."""
    wanted = text.casefold()
    groups: dict[str, list[dict[str, Any]]] = {}
    for permission in permissions:
        words = f"{permission.name} {permission.title} {permission.group}".casefold()
        if wanted not in words:
            continue
        cells = [
            {
                "role": role,
                "granted": permission.name in role.permissions,
                "ticked": permission.name in after.get(role.id, role.permissions),
            }
            for role in roles
        ]
        is_open = is_admin or not permission.is_restricted
        groups.setdefault(permission.group, []).append(
            {"permission": permission, "cells": cells, "is_open": is_open, "words": words}
        )
    return [{"name": name, "rows": rows} for name, rows in groups.items()]

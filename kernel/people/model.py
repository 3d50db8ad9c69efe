"""A person as the administration sees them, and which ones are asked for."""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import orjson

from kernel.people.permission import is_restricted
from kernel.user.model import User

Sort = Literal["name", "created", "access"]
SORTS: Final[tuple[Sort, ...]] = ("name", "created", "access")


@dataclass(frozen=True, slots=True)
class AssignedRole:
    """A role that somebody was given, or can be."""

    id: UUID
    name: str
    permissions: frozenset[str]

    @property
    def is_restricted(self) -> bool:
        """It may do what only administrators hand out."""
        return any(map(is_restricted, self.permissions))


@dataclass(frozen=True, slots=True)
class Person:
    """`roles` are those that were assigned, by name; everybody's role is not among them. `password_stamp` is another
    one after every change of the password."""

    user: User
    roles: tuple[AssignedRole, ...]
    password_stamp: str = ""

    @property
    def id(self) -> UUID:
        return self.user.id

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def path(self) -> str:
        return f"/admin/people/{self.user.id}"

    @property
    def role_ids(self) -> frozenset[UUID]:
        return frozenset(role.id for role in self.roles)

    def digest(self) -> str:
        """Another one after every change of what the administration can change."""
        user = self.user
        parts = [user.name, user.mail, user.is_active, user.is_admin, sorted(map(str, self.role_ids))]
        parts.append(self.password_stamp)
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Empty means any; `text` is a part of the name or the address, `role` the id of a role or "admin"."""

    text: str = ""
    status: Literal["", "active", "blocked"] = ""
    role: str = ""
    sort: Sort = "name"

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.status or self.role)

    def as_query(self) -> dict[str, str]:
        """Without what is empty, and without the sort that is meant where none is named."""
        sort = "" if self.sort == "name" else self.sort
        query = {"text": self.text, "status": self.status, "role": self.role, "sort": sort}
        return {name: value for name, value in query.items() if value}


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """`before` and `after` are the ids to go on from, None where there is nobody. `total` counts up to a limit, beyond
    which `is_capped` holds."""

    people: list[Person]
    before: UUID | None
    after: UUID | None
    total: int
    is_capped: bool


@dataclass(frozen=True, slots=True)
class CountedRole:
    """`people` is how many have it; None for the two roles that are nobody's in particular."""

    id: UUID
    name: str
    permissions: frozenset[str]
    people: int | None

    @property
    def is_seeded(self) -> bool:
        return self.people is None

"""A person with an account, and a role."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class User:
    """`is_active` is false for a blocked account, and for one that registered and `awaits_approval`. `access`
    and `login` are None before the first login."""

    id: UUID
    name: str
    mail: str | None
    is_admin: bool
    is_active: bool
    has_password: bool
    created: datetime
    access: datetime | None
    login: datetime | None
    timezone: str
    language: str
    awaits_approval: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """Kept apart from the user, so that a hash cannot travel along by accident. `device_epoch` is another one with each
    new password."""

    user: User
    pass_hash: str | None = field(repr=False)
    device_epoch: int


@dataclass(frozen=True, slots=True)
class Role:
    id: UUID
    name: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What may be shown of a token after it was made. `scope` is what it was limited to, None for whatever its person
    may; `last_used` is true to the hour."""

    id: UUID
    user_id: UUID
    label: str
    created: datetime
    expires: datetime | None
    scope: list[str] | None
    last_used: datetime | None


def user_tag(user_id: UUID) -> str:
    """The cache tag of everything that depends on this user."""
    return f"user:{user_id}"

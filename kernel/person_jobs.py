"""The background jobs about people, roles and tokens, and what each carries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from kernel.job_kind import JobKind

PeopleChange = Literal["block", "unblock", "add_role", "remove_role"]
RoleChange = Literal["add", "rename", "delete"]


@dataclass(frozen=True, slots=True)
class SavePerson:
    """`seen` is the digest of the account that the form showed, "" for a new one. `pass_hash` None leaves the password
    as it is: a password itself never stands in the ledger."""

    user_id: UUID
    seen: str
    name: str
    mail: str | None
    is_active: bool
    is_admin: bool
    role_ids: list[UUID]
    pass_hash: str | None = None


@dataclass(frozen=True, slots=True)
class SaveAccount:
    """What people set for themselves."""

    user_id: UUID
    timezone: str


@dataclass(frozen=True, slots=True)
class ChangePeople:
    """`role_id` is of the changes that are about a role."""

    change: PeopleChange
    user_ids: list[UUID]
    role_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ChangeRole:
    """`name` is the new one; to delete, the one that was shown."""

    change: RoleChange
    role_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class PermissionGrant:
    role_id: UUID
    permission: str


@dataclass(frozen=True, slots=True)
class SetPermissions:
    """`seen` is the digest of who was granted what when the page was shown."""

    seen: str
    grants: list[PermissionGrant]
    revokes: list[PermissionGrant]


@dataclass(frozen=True, slots=True)
class SaveApiToken:
    """`digest` is the SHA-256 of the token in hex, the token itself never stands in the ledger. `scope` None: whatever
    the person may."""

    token_id: UUID
    user_id: UUID
    digest: str
    label: str
    expires: datetime
    scope: list[str] | None


@dataclass(frozen=True, slots=True)
class DeleteApiToken:
    user_id: UUID
    token_id: UUID


@dataclass(frozen=True, slots=True)
class NoteTokenUse:
    """`at` is the hour in which it was used."""

    token_id: UUID
    at: datetime


SAVE_PERSON: Final = JobKind(
    "save_person", SavePerson, "interactive", 10, 5, "what the form showed must still be so"
)
SAVE_ACCOUNT: Final = JobKind("save_account", SaveAccount, "interactive", 10, 5, "sets the same values again")
CHANGE_PEOPLE: Final = JobKind(
    "change_people", ChangePeople, "interactive", 30, 5, "who is so already stays so"
)
CHANGE_ROLE: Final = JobKind("change_role", ChangeRole, "interactive", 10, 5, "a role that is so stays so")
SET_PERMISSIONS: Final = JobKind(
    "set_permissions", SetPermissions, "interactive", 10, 5, "what the page showed must still be so"
)
SAVE_API_TOKEN: Final = JobKind(
    "save_api_token", SaveApiToken, "interactive", 10, 5, "the token's id is in the payload"
)
DELETE_API_TOKEN: Final = JobKind(
    "delete_api_token", DeleteApiToken, "interactive", 10, 5, "a missing token is already deleted"
)
NOTE_TOKEN_USE: Final = JobKind(
    "note_token_use", NoteTokenUse, "background", 10, 5, "only ever moves the time forward"
)

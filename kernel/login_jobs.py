"""The background jobs about second factors, and what each carries."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel.job_kind import JobKind


@dataclass(frozen=True, slots=True)
class EnableSecondFactor:
    """The secret was confirmed and waits in Redis: it never stands in the ledger. `session_key` says in which session
    it was shown."""

    user_id: UUID
    session_key: str


@dataclass(frozen=True, slots=True)
class DisableSecondFactor:
    user_id: UUID


@dataclass(frozen=True, slots=True)
class ResetSecondFactor:
    """Of somebody who has lost the phone and the recovery codes too."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class ReplaceRecoveryCodes:
    """`digests` of the new ones, in hexadecimal digits."""

    user_id: UUID
    digests: list[str]


@dataclass(frozen=True, slots=True)
class NoteLoginLink:
    """Whom somebody makes a one-time link for; the link itself is made afterwards, and stands in no ledger."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class SpendRecoveryCode:
    """`digest` in hexadecimal digits."""

    user_id: UUID
    digest: str


@dataclass(frozen=True, slots=True)
class NoteCodeUse:
    """`step` is the half minute whose one-time code was taken, counted from 1970."""

    user_id: UUID
    step: int


ENABLE_SECOND_FACTOR: Final = JobKind(
    "enable_second_factor",
    EnableSecondFactor,
    "interactive",
    10,
    5,
    "an account that has a second factor keeps the one it has",
)
DISABLE_SECOND_FACTOR: Final = JobKind(
    "disable_second_factor", DisableSecondFactor, "interactive", 10, 5, "one that is gone stays gone"
)
RESET_SECOND_FACTOR: Final = JobKind(
    "reset_second_factor", ResetSecondFactor, "interactive", 10, 5, "one that is gone stays gone"
)
REPLACE_RECOVERY_CODES: Final = JobKind(
    "replace_recovery_codes", ReplaceRecoveryCodes, "interactive", 10, 5, "sets the same codes again"
)
NOTE_LOGIN_LINK: Final = JobKind(
    "note_login_link",
    NoteLoginLink,
    "interactive",
    10,
    5,
    "the row and the end of the job are one transaction",
)
SPEND_RECOVERY_CODE: Final = JobKind(
    "spend_recovery_code", SpendRecoveryCode, "background", 10, 5, "one that is gone stays gone"
)
NOTE_CODE_USE: Final = JobKind(
    "note_code_use", NoteCodeUse, "background", 10, 5, "only ever moves the step forward"
)

"""The background jobs about second factors, and what each carries."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel.job_kind import JobKind


@dataclass(frozen=True, slots=True)
class EnableSecondFactor:
    """The secret was confirmed and waits in Redis: it never stands in the ledger."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class DisableSecondFactor:
    user_id: UUID


@dataclass(frozen=True, slots=True)
class SpendRecoveryCode:
    """`digest` in hexadecimal digits."""

    user_id: UUID
    digest: str


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
SPEND_RECOVERY_CODE: Final = JobKind(
    "spend_recovery_code", SpendRecoveryCode, "background", 10, 5, "one that is gone stays gone"
)

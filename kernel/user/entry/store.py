"""Reads and writes second factors, and reads the key that signs the cookies of known devices."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from kernel.db.pool import Connection


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """`recovery` are the digests of the recovery codes that were not used yet, `last_step` is the last half minute
    whose code was taken."""

    user_id: UUID
    secret: str = field(repr=False)
    recovery: tuple[bytes, ...] = field(repr=False)
    last_step: int = 0


async def get_device_key(conn: Connection) -> str:
    """The migration that makes the table makes its row."""
    key: str = await conn.fetchval("SELECT key FROM device_key")
    return key


async def find_second_factor(conn: Connection, user_id: UUID) -> SecondFactor | None:
    row = await conn.fetchrow(
        "SELECT secret, recovery, last_step FROM user_second_factor WHERE user_id = $1", user_id
    )
    return (
        None
        if row is None
        else SecondFactor(user_id, row["secret"], tuple(row["recovery"]), row["last_step"])
    )


async def insert_second_factor(conn: Connection, factor: SecondFactor) -> bool:
    """False when the account has one, or is gone."""
    inserted = await conn.fetchval(
        """
        INSERT INTO user_second_factor (user_id, secret, recovery, last_step)
        SELECT id, $2, $3, $4 FROM users WHERE id = $1 ON CONFLICT DO NOTHING RETURNING true
        """,
        factor.user_id,
        factor.secret,
        list(factor.recovery),
        factor.last_step,
    )
    return inserted is not None


async def update_last_step(conn: Connection, user_id: UUID, step: int) -> None:
    """Only ever forward."""
    await conn.execute(
        "UPDATE user_second_factor SET last_step = greatest(last_step, $2) WHERE user_id = $1", user_id, step
    )


async def replace_recovery_codes(conn: Connection, user_id: UUID, digests: Sequence[bytes]) -> bool:
    """False when there is no second factor any more."""
    updated = await conn.fetchval(
        "UPDATE user_second_factor SET recovery = $2 WHERE user_id = $1 RETURNING true",
        user_id,
        list(digests),
    )
    return updated is not None


async def remove_recovery_code(conn: Connection, user_id: UUID, digest: bytes) -> int | None:
    """How many are left; None when it was not among them."""
    left: int | None = await conn.fetchval(
        """
        UPDATE user_second_factor SET recovery = array_remove(recovery, $2)
        WHERE user_id = $1 AND $2 = ANY(recovery) RETURNING cardinality(recovery)
        """,
        user_id,
        digest,
    )
    return left


async def delete_second_factor(conn: Connection, user_id: UUID) -> bool:
    """False when there was none."""
    deleted = await conn.fetchval("DELETE FROM user_second_factor WHERE user_id = $1 RETURNING true", user_id)
    return deleted is not None

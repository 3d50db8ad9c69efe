"""Reads and writes second factors, and reads the key that signs the cookies of known devices."""

from dataclasses import dataclass, field
from uuid import UUID

from kernel.db.pool import Connection


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """`recovery` are the digests of the recovery codes that were not used yet."""

    user_id: UUID
    secret: str = field(repr=False)
    recovery: tuple[bytes, ...] = field(repr=False)


async def get_device_key(conn: Connection) -> str:
    """The migration that makes the table makes its row."""
    key: str = await conn.fetchval("SELECT key FROM device_key")
    return key


async def find_second_factor(conn: Connection, user_id: UUID) -> SecondFactor | None:
    row = await conn.fetchrow("SELECT secret, recovery FROM user_second_factor WHERE user_id = $1", user_id)
    return None if row is None else SecondFactor(user_id, row["secret"], tuple(row["recovery"]))


async def insert_second_factor(conn: Connection, factor: SecondFactor) -> bool:
    """False when the account has one, or is gone."""
    inserted = await conn.fetchval(
        """
        INSERT INTO user_second_factor (user_id, secret, recovery) SELECT id, $2, $3 FROM users WHERE id = $1
        ON CONFLICT DO NOTHING RETURNING true
        """,
        factor.user_id,
        factor.secret,
        list(factor.recovery),
    )
    return inserted is not None


async def remove_recovery_code(conn: Connection, user_id: UUID, digest: bytes) -> None:
    await conn.execute(
        "UPDATE user_second_factor SET recovery = array_remove(recovery, $2) WHERE user_id = $1",
        user_id,
        digest,
    )


async def delete_second_factor(conn: Connection, user_id: UUID) -> bool:
    """False when there was none."""
    deleted = await conn.fetchval("DELETE FROM user_second_factor WHERE user_id = $1 RETURNING true", user_id)
    return deleted is not None

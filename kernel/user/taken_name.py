"""Whether a name for an account can be told from those that others have."""

from typing import Final
from uuid import UUID

from kernel.db.pool import Connection, Database
from kernel.user.skeleton import build_skeleton
from kernel.user.store import (
    find_user_by_name,
    has_lookalike,
    list_without_skeleton,
    lock_users,
    update_skeletons,
)

LOOKALIKE: Final = "This username looks too much like that of another account. Choose another one."
# Accounts in one transaction: some tens of milliseconds.
_BATCH: Final = 2_000


async def check_taken_name(
    name: str, conn: Connection, *, owner_id: UUID | None = None, before: str | None = None
) -> str:
    """What is wrong with a new name, as a sentence; "" when nobody but `owner_id`, who is called `before`, has it or
    one that looks like it. To what looks like one's own name it may be changed, whoever else has such a one."""
    holder = await find_user_by_name(conn, name)
    if holder is not None and holder.id != owner_id:
        return f"The username {name} is taken. Choose another one."
    skeleton = build_skeleton(name)
    if before is not None and build_skeleton(before) == skeleton:
        return ""
    return LOOKALIKE if await has_lookalike(conn, skeleton, owner_id) else ""


async def fill_skeletons(db: Database) -> int:
    """For accounts from before skeletons were stored. Those that look like one another already keep their names. How
    many there were."""
    number = 0
    while True:
        async with db.transaction() as tx:
            # Nobody takes a name that looks like one of these in the middle.
            await lock_users(tx.conn)
            rows = await list_without_skeleton(tx.conn, _BATCH)
            await update_skeletons(tx.conn, [(user_id, build_skeleton(name)) for user_id, name in rows])
        number += len(rows)
        if len(rows) < _BATCH:
            return number

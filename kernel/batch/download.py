"""Reads what a batch leaves to whoever started it, piece by piece: neither a connection nor a whole file is held."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import orjson

from kernel.batch.item_line import write_refused
from kernel.batch.store import find_chunk, list_problems
from kernel.errors import Unavailable
from kernel.runtime import Runtime

# Refused lines that are read at once; each may be as long as four megabytes.
LINES_AT_ONCE: Final = 20


async def read_output(rt: Runtime, batch_id: UUID, chunks: int) -> AsyncIterator[bytes]:
    """What an export has written, whole lines in each piece. Raises Unavailable when it is removed meanwhile: a file
    that ends early is not taken for a whole one."""
    for number in range(chunks):
        async with rt.db.acquire() as conn:
            chunk = await find_chunk(conn, batch_id, "output", number)
        if chunk is None:
            raise Unavailable("The export was removed while it was read.")
        yield chunk.encode()


async def read_refused(rt: Runtime, batch_id: UUID) -> AsyncIterator[bytes]:
    """A line for each that was refused, with what is wrong with it; whole lines in each piece."""
    after = 0
    while True:
        async with rt.db.acquire() as conn:
            problems = await list_problems(conn, batch_id, after, LINES_AT_ONCE)
        if not problems:
            return
        after = problems[-1].number
        yield b"".join(
            write_refused(p.number, p.message, p.content or orjson.dumps({"id": p.ref}).decode()) + b"\n"
            for p in problems
        )

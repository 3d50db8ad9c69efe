"""Exports items as lines of JSON, for whoever started it to download; an import of them restores equal content."""

from collections.abc import Iterator
from typing import Final

from kernel.batch.item_line import write_line
from kernel.batch.lines import LINE_MAX
from kernel.batch.operation import Batch, Beginning, Operation, note_completion
from kernel.batch.selection import Selection, begin_selection, read_visible
from kernel.batch.store import insert_chunk
from kernel.runtime import Runtime
from kernel.tap.scope import TapScope

# In bytes; a chunk holds one line at least.
CHUNK_BYTES: Final = 2_000_000


async def _begin(rt: Runtime, batch: Batch) -> Beginning:
    beginning = await begin_selection(rt, batch)
    return Beginning(beginning.total, {**beginning.place, "output": 0})


async def _work(rt: Runtime, batch: Batch) -> None:
    """Each item as it stands when its slice is written. What the actor may not see, and what was deleted meanwhile,
    is left out and not counted."""
    async with TapScope(rt.plugins, batch.ctx, job_id=batch.id) as scope:
        portion = await read_visible(rt, batch, scope)
    lines = []
    too_long = []
    for one in portion.chosen:
        item = portion.items.get(one.id)
        if item is None:
            continue
        line = write_line(item)
        if len(line) > LINE_MAX:
            too_long.append(one)
        else:
            lines.append(line)
    number: int = batch.place["output"]
    async with batch.slice() as part:
        for one in too_long:
            message = f"This item is too long for a line: {LINE_MAX:,} bytes is the most."
            part.refuse(one.number, message, ref=str(one.id))
        for chunk in _join(lines):
            await insert_chunk(part.conn, batch.id, "output", number, chunk)
            number += 1
        part.count(len(lines) + len(too_long))
        part.end_at(portion.next_place and {**portion.next_place, "output": number})


def _join(lines: list[bytes]) -> Iterator[str]:
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > CHUNK_BYTES:
            yield b"".join(chunk).decode()
            chunk, size = [], 0
        chunk += [line, b"\n"]
        size += len(line) + 1
    if chunk:
        yield b"".join(chunk).decode()


EXPORT_ITEMS: Final = Operation(
    "export_items",
    "Export items",
    "Exporting",
    "administer content",
    Selection,
    _begin,
    _work,
    note_completion,
    changes_items=False,
)

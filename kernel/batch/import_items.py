"""Imports items from lines of JSON; a line that is refused is kept with the reason, and the others come in."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from kernel import clock
from kernel.batch.item_line import ItemLine, LineError, read_line
from kernel.batch.lines import CHUNK_LINES, LINE_MAX, count_bytes, split_chunk
from kernel.batch.operation import Batch, Beginning, Operation, Slice
from kernel.batch.store import delete_input, find_chunk, find_user_ids, list_problems
from kernel.context import Actor
from kernel.db.connect import UNSTORABLE
from kernel.ids import uuid7
from kernel.item.access import may_create
from kernel.item.follow_up import drop_listings, follow_up_taps
from kernel.item.index import collect_words
from kernel.item.model import Item
from kernel.item.presave import run_presave_taps
from kernel.item.store import insert_items
from kernel.item.values import check_values
from kernel.item_type.load import list_item_types
from kernel.item_type.model import ItemType
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_INSERT
from kernel.tap.scope import TapScope

LOG_MESSAGE: Final = "Imported"
# Of a line that is too long to be kept, so much stands in the error file.
KEPT_OF_A_LONG_LINE: Final = 1_000
# Lines that are looked at before others in the process get a turn.
BREATH: Final = 20


@dataclass(frozen=True, slots=True)
class ImportItems:
    """`count` is how many lines there are. `retry_of` is the batch whose refused lines are tried again; else the
    lines are in the input. `default_type` is that of lines that name none."""

    count: int
    default_type: str = ""
    retry_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class _Rules:
    """What decides about the lines of one slice."""

    types: Mapping[str, ItemType]
    authors: Mapping[str, UUID]
    actor: Actor


@dataclass(frozen=True, slots=True)
class _Ready:
    """A slice before its transaction: items by number of their line, with the words that plugins add to each."""

    lines: Sequence[_Line]
    items: dict[int, Item]
    words: list[str]
    refused: dict[int, str]
    next_place: dict[str, int]


async def _begin(_rt: Runtime, batch: Batch) -> Beginning:
    return Beginning(batch.arguments.count, {"chunk": 0, "line": 0})


async def _work(rt: Runtime, batch: Batch) -> None:
    """Writes a slice while the next one is made ready."""
    ready: _Ready | None = batch.ahead or await _prepare(rt, batch, batch.place)
    batch.ahead = None
    if ready is None:
        async with batch.slice() as part:
            part.is_last = True
        return
    following = asyncio.create_task(_prepare(rt, batch, ready.next_place))
    try:
        await _write(rt, batch, ready)
        batch.ahead = await following
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _prepare(rt: Runtime, batch: Batch, place: Mapping[str, int]) -> _Ready | None:
    """Everything that needs no transaction; None when there are no lines left."""
    lines, next_place = await _read_lines(rt, batch, place)
    if next_place is None:
        return None
    refused: dict[int, str] = {}
    read = _parse_lines(lines, batch.arguments.default_type, refused)
    rules = await _load_rules(rt, batch, list(read.values()))
    items = await _build_items(read, rules, refused)
    async with TapScope(rt.plugins, batch.ctx) as scope:
        for number, item in items.items():
            items[number], _ = await run_presave_taps(scope, rules.types[item.type], item, "insert")
        words, _ = await collect_words(scope, list(items.values()))
    return _Ready(lines, items, words, refused, next_place)


async def _write(rt: Runtime, batch: Batch, ready: _Ready) -> None:
    items, refused = ready.items, ready.refused
    async with batch.slice() as part:
        inserted = await _insert(batch, part, items, ready.words, refused)
        # An import adds; it never writes over what stands.
        for number, item in items.items():
            if item.id not in inserted and number not in refused:
                refused[number] = "An item with this id exists already."
        new = [item for item in items.values() if item.id in inserted]
        follow_up_taps(rt.plugins.registry, part.effects, ITEM_INSERT, new)
        drop_listings(part.effects, new)
        for line in ready.lines:
            if line.number in refused:
                content = line.text if count_bytes(line.text) <= LINE_MAX else line.text[:KEPT_OF_A_LONG_LINE]
                part.refuse(line.number, refused[line.number].replace("\x00", "\ufffd"), content=content)
        part.place = ready.next_place
        part.count(sum(1 for line in ready.lines if line.text.strip()))
        if batch.arguments.retry_of is None:
            await delete_input(part.conn, batch.id, batch.place["chunk"])


async def _insert(
    batch: Batch, part: Slice, items: Mapping[int, Item], words: Sequence[str], refused: dict[int, str]
) -> set[UUID]:
    """The ids of those that came in. All at once; one by one when there is something in them that cannot be stored,
    such as more different words than a search index holds."""
    insert = partial(
        insert_items, part.conn, editor_id=batch.ctx.actor.id, log_message=LOG_MESSAGE, now=clock.now()
    )
    try:
        async with part.conn.transaction():
            return await insert(list(items.values()), words)
    except UNSTORABLE:
        inserted: set[UUID] = set()
    for (number, item), text in zip(items.items(), words, strict=True):
        try:
            async with part.conn.transaction():
                inserted |= await insert([item], [text])
        except UNSTORABLE as error:
            refused[number] = f"This cannot be stored: {error}."
    return inserted


async def _read_lines(
    rt: Runtime, batch: Batch, place: Mapping[str, int]
) -> tuple[list[_Line], dict[str, int] | None]:
    """The lines of the slice at that place and the place of the one after it; None when there are no lines left."""
    earlier: UUID | None = batch.arguments.retry_of
    async with rt.db.acquire() as conn:
        if earlier is not None:
            problems = await list_problems(conn, earlier, place["line"], CHUNK_LINES)
            lines = [_Line(problem.number, problem.content) for problem in problems]
            return lines, {"line": lines[-1].number} if lines else None
        chunk = await find_chunk(conn, batch.id, "input", place["chunk"])
    if chunk is None:
        return [], None
    lines = [_Line(place["line"] + n, text) for n, text in enumerate(split_chunk(chunk), start=1)]
    return lines, {"chunk": place["chunk"] + 1, "line": place["line"] + len(lines)}


def _parse_lines(lines: Sequence[_Line], default_type: str, refused: dict[int, str]) -> dict[int, ItemLine]:
    """By number; empty lines are no lines."""
    read = {}
    for line in lines:
        if not line.text.strip():
            continue
        try:
            read[line.number] = read_line(line.text, default_type)
        except LineError as mistake:
            refused[line.number] = str(mistake)
    return read


async def _load_rules(rt: Runtime, batch: Batch, lines: Sequence[ItemLine]) -> _Rules:
    names = {line.author for line in lines if line.author is not None}
    authors: dict[str, UUID] = {}
    if names:
        async with rt.db.acquire() as conn:
            authors = await find_user_ids(conn, names)
    types = {item_type.type: item_type for item_type in await list_item_types(rt, batch.ctx)}
    return _Rules(types, authors, batch.ctx.actor)


async def _build_items(
    read: Mapping[int, ItemLine], rules: _Rules, refused: dict[int, str]
) -> dict[int, Item]:
    """By number of the line, each item's id once."""
    items: dict[int, Item] = {}
    seen: dict[UUID, int] = {}
    for count, (number, line) in enumerate(read.items(), start=1):
        if count % BREATH == 0:
            await asyncio.sleep(0)
        try:
            item = _build_item(line, rules)
        except LineError as mistake:
            refused[number] = str(mistake)
            continue
        if item.id in seen:
            refused[number] = f"The id is that of line {seen[item.id]}."
            continue
        seen[item.id] = number
        items[number] = item
    return items


def _build_item(line: ItemLine, rules: _Rules) -> Item:
    """Raises LineError."""
    item_type = rules.types.get(line.type)
    if item_type is None:
        raise LineError(f"There is no item type {line.type[:40]!r}. This site has: {', '.join(rules.types)}.")
    if not may_create(rules.actor, item_type.type):
        raise LineError(f"You may not create {item_type.type} content.")
    author_id = rules.actor.id if line.author is None else rules.authors.get(line.author.lower())
    if author_id is None:
        shown = (line.author or "")[:60]
        raise LineError(f"There is no account {shown!r}. Leave author out to become the author.")
    checked = check_values(item_type, line.title, line.fields, rules.actor)
    if checked.problems:
        raise LineError(
            " ".join(f"{name}: {text}" if name else text for name, text in checked.problems.items())
        )
    now = clock.now()
    return Item(
        id=line.id or uuid7(),
        type=item_type.type,
        title=checked.title,
        author_id=author_id,
        status=line.status,
        promote=line.promote,
        sticky=line.sticky,
        created=line.created or now,
        changed=line.changed or now,
        fields=checked.fields,
        revision_id=uuid7(),
    )


IMPORT_ITEMS: Final = Operation(
    "import_items",
    "Import items",
    "Importing",
    "administer content",
    ImportItems,
    _begin,
    _work,
    takes_refused=True,
)

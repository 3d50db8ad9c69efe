"""Imports items from lines of JSON; a line that is refused is kept with the reason, and the others come in."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final, TypeAlias
from uuid import UUID

from kernel import clock
from kernel.batch.earlier import get_earlier
from kernel.batch.item_line import ItemLine, LineError, make_id, read_line
from kernel.batch.lines import CHUNK_LINES, keep_refused, split_chunk
from kernel.batch.operation import PREPARE_S, Batch, Beginning, Operation, Slice, note_completion
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
from kernel.jobs import PluginWrite
from kernel.plugin_data.wishes import apply_writes
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_INSERT
from kernel.tap.effects import Wishes
from kernel.tap.scope import TapScope

LOG_MESSAGE: Final = "Imported"
# Lines that are looked at before others in the process get a turn.
BREATH: Final = 20


@dataclass(frozen=True, slots=True)
class ImportItems:
    """`count` is how many lines there are. `retry_of` is the batch whose refused lines are tried again; else the
    lines are in the input. `default_type` is that of lines that name none."""

    count: int
    default_type: str = ""
    retry_of: UUID | None = None


# Where a slice begins: `line` is the number of the last line before it, `first` that of the last one before the chunk.
_Place: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class _Rules:
    """What decides about the lines of one slice. `authors` has the names as they are written in the lines."""

    root: UUID
    types: Mapping[str, ItemType]
    authors: Mapping[str, UUID]
    actor: Actor


@dataclass(frozen=True, slots=True)
class _Ready:
    """A slice before its transaction: items by number of their line, with the words that plugins add to each, and what
    they want to write besides, for the items for which they want anything."""

    lines: Sequence[_Line]
    items: dict[int, Item]
    words: list[str]
    refused: dict[int, str]
    next_place: _Place
    writes: dict[int, list[PluginWrite]] = field(default_factory=dict)

    def cut_behind(self, number: int, place: _Place) -> "_Ready":
        """The part up to and with this line, read at that place; the next slice begins behind it."""
        return _Ready(
            [line for line in self.lines if line.number <= number],
            {n: item for n, item in self.items.items() if n <= number},
            self.words,
            {n: message for n, message in self.refused.items() if n <= number},
            {**place, "line": number},
            self.writes,
        )


async def _begin(rt: Runtime, batch: Batch) -> Beginning:
    """The root is the batch that had the file; a retry of its lines, and of what that refused, keeps it."""
    arguments: ImportItems = batch.arguments
    root = str(batch.id)
    if arguments.retry_of is not None:
        root = (await get_earlier(rt, arguments.retry_of)).place["root"]
    return Beginning(arguments.count, {"root": root, "chunk": 0, "first": 0, "line": 0})


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


async def _prepare(rt: Runtime, batch: Batch, place: _Place) -> _Ready | None:
    """Everything that needs no transaction; None when there are no lines left. Plugins that take their time make the
    slice a short one."""
    lines, next_place = await _read_lines(rt, batch, place)
    if next_place is None:
        return None
    refused: dict[int, str] = {}
    read = _parse_lines(lines, batch.arguments.default_type, refused)
    rules = await _load_rules(rt, batch, UUID(place["root"]), list(read.values()))
    items = await _build_items(read, rules, refused)
    ready = _Ready(lines, items, [], refused, next_place)
    ends = monotonic() + PREPARE_S
    async with TapScope(rt.plugins, batch.ctx, job_id=batch.id) as scope:
        for number, given in items.items():
            scope.effects = wishes = Wishes()
            item, _ = await run_presave_taps(scope, rules.types[given.type], given, "insert")
            items[number] = item
            ready.words.extend((await collect_words(scope, [item]))[0])
            if wishes.writes:
                ready.writes[number] = wishes.writes
            if monotonic() >= ends:
                return ready.cut_behind(number, place)
    return ready


async def _write(rt: Runtime, batch: Batch, ready: _Ready) -> None:
    items, refused = ready.items, ready.refused
    async with batch.slice() as part:
        inserted = await _insert(batch, part, items, ready.words, refused)
        # An import adds; it never writes over what stands.
        for number, item in items.items():
            if item.id not in inserted and number not in refused:
                is_own = item.id == make_id(UUID(batch.place["root"]), number)
                refused[number] = (
                    "This line came in before." if is_own else "An item with this id exists already."
                )
        new = [item for item in items.values() if item.id in inserted]
        follow_up_taps(rt.plugins.registry, part.effects, ITEM_INSERT, new)
        for number, writes in ready.writes.items():
            if items[number].id in inserted:
                await apply_writes(part.effects, rt.plugins.registry, writes)
        drop_listings(part.effects, new)
        for line in ready.lines:
            if line.number in refused:
                message = refused[line.number].replace("\x00", "\ufffd")
                part.refuse(line.number, message, content=keep_refused(line.text))
        part.place = ready.next_place
        part.count(sum(1 for line in ready.lines if line.text.strip()))
        if ready.next_place["chunk"] != batch.place["chunk"]:
            await delete_input(part.conn, batch.id, batch.place["chunk"])


async def _insert(
    batch: Batch, part: Slice, items: Mapping[int, Item], words: Sequence[str], refused: dict[int, str]
) -> set[UUID]:
    """The ids of those that came in. All at once; one by one when there is something in them that cannot be stored,
    such as more different words than a search index holds. In the order of ids, so that two imports of the same ones
    wait for each other and not each for the other."""
    ordered = sorted(zip(items.items(), words, strict=True), key=lambda one: one[0][1].id)
    insert = partial(
        insert_items, part.conn, editor_id=batch.ctx.actor.id, log_message=LOG_MESSAGE, now=clock.now()
    )
    try:
        async with part.conn.transaction():
            return await insert([item for (_, item), _ in ordered], [text for _, text in ordered])
    except UNSTORABLE:
        inserted: set[UUID] = set()
    for (number, item), text in ordered:
        try:
            async with part.conn.transaction():
                inserted |= await insert([item], [text])
        except UNSTORABLE as error:
            refused[number] = f"This cannot be stored: {error}."
    return inserted


async def _read_lines(rt: Runtime, batch: Batch, place: _Place) -> tuple[list[_Line], _Place | None]:
    """The lines of the slice at that place and the place of the one after it; None when there are no lines left."""
    earlier: UUID | None = batch.arguments.retry_of
    async with rt.db.acquire() as conn:
        if earlier is not None:
            problems = await list_problems(conn, earlier, place["line"], CHUNK_LINES)
            lines = [_Line(problem.number, problem.content) for problem in problems]
            return lines, {**place, "line": lines[-1].number} if lines else None
        chunk = await find_chunk(conn, batch.id, "input", place["chunk"])
    if chunk is None:
        return [], None
    lines = [_Line(number, text) for number, text in enumerate(split_chunk(chunk), start=place["first"] + 1)]
    last = place["first"] + len(lines)
    next_place = {**place, "chunk": place["chunk"] + 1, "first": last, "line": last}
    return [line for line in lines if line.number > place["line"]], next_place


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


async def _load_rules(rt: Runtime, batch: Batch, root: UUID, lines: Sequence[ItemLine]) -> _Rules:
    names = {line.author for line in lines if line.author is not None}
    authors: dict[str, UUID] = {}
    if names:
        async with rt.db.acquire() as conn:
            authors = await find_user_ids(conn, names)
    types = {item_type.type: item_type for item_type in await list_item_types(rt, batch.ctx)}
    return _Rules(root, types, authors, batch.ctx.actor)


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
            item = _build_item(number, line, rules)
        except LineError as mistake:
            refused[number] = str(mistake)
            continue
        if item.id in seen:
            refused[number] = f"The id is that of line {seen[item.id]}."
            continue
        seen[item.id] = number
        items[number] = item
    return items


def _build_item(number: int, line: ItemLine, rules: _Rules) -> Item:
    """Raises LineError."""
    item_type = rules.types.get(line.type)
    if item_type is None:
        raise LineError(f"There is no item type {line.type[:40]!r}. This site has: {', '.join(rules.types)}.")
    if not may_create(rules.actor, item_type.type):
        raise LineError(f"You may not create {item_type.type} content.")
    author_id = rules.actor.id if line.author is None else rules.authors.get(line.author)
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
        id=line.id or make_id(rules.root, number),
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
    note_completion,
    takes_refused=True,
)

"""Which items a batch is about: listed ones, all that match a filter, or those that an earlier batch refused."""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from kernel.batch.lines import split_chunk
from kernel.batch.operation import Batch, Beginning
from kernel.batch.store import count_matching, find_chunk, find_last_id, list_matching, list_problems
from kernel.gather.compile import escape_like
from kernel.ids import first_uuid7, parse_uuid
from kernel.item.model import Item
from kernel.item.store import select_items
from kernel.runtime import Runtime

# Items of one slice: few enough that whoever saves one of them does not notice.
SLICE: Final = 100


@dataclass(frozen=True, slots=True)
class Selection:
    """All items that match, unless `listed` says how many stand in the input or `retry_of` names a batch that refused
    some. `types` empty means every type, `status` None any, `text` a part of the title."""

    types: list[str] = field(default_factory=list)
    status: int | None = None
    text: str = ""
    listed: int | None = None
    retry_of: UUID | None = None
    retried: int = 0

    @property
    def is_filter(self) -> bool:
        return self.listed is None and self.retry_of is None


@dataclass(frozen=True, slots=True)
class Chosen:
    """`number` is its place in the batch. `expected` is the revision that was seen by whoever chose the item, None
    where any that is older than the batch will do."""

    number: int
    id: UUID
    expected: UUID | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """The items of one slice, with None for one that is gone, and the place of the next slice; None: the last one."""

    chosen: list[Chosen]
    items: dict[UUID, Item]
    next_place: Any

    def __len__(self) -> int:
        return len(self.chosen)


def write_listed(item_id: UUID, revision_id: UUID | None) -> str:
    """A line of the input; without a revision, whichever there is."""
    return f"{item_id} {revision_id or '-'}"


async def begin_selection(rt: Runtime, batch: Batch) -> Beginning:
    selection: Selection = batch.arguments
    if selection.listed is not None:
        return Beginning(selection.listed, {"chunk": 0})
    if selection.retry_of is not None:
        return Beginning(selection.retried, {"after": 0})
    async with rt.db.acquire() as conn:
        until = await find_last_id(conn)
        total = await count_matching(conn, selection.types, selection.status, _pattern(selection))
    return Beginning(total, {"after": None, "until": str(until) if until else None})


async def read_portion(rt: Runtime, batch: Batch) -> Portion:
    """The items of the slice that begins at the batch's place."""
    chosen, next_place = await _choose(rt, batch)
    async with rt.db.acquire() as conn:
        items = await select_items(conn, [one.id for one in chosen])
    return Portion(chosen, {item.id: item for item in items}, next_place)


def find_change(batch: Batch, one: Chosen, current_revision_id: UUID) -> str | None:
    """What to tell when somebody changed the item since it was chosen."""
    if one.expected is not None:
        return (
            "Somebody changed this item since you chose it." if one.expected != current_revision_id else None
        )
    selection: Selection = batch.arguments
    # Ids of revisions are made from the time.
    if selection.is_filter and current_revision_id >= first_uuid7(batch.asked):
        return "Somebody changed this item after you started this."
    return None


async def _choose(rt: Runtime, batch: Batch) -> tuple[list[Chosen], Any]:
    selection: Selection = batch.arguments
    place = batch.place
    async with rt.db.acquire() as conn:
        if selection.listed is not None:
            chunk = await find_chunk(conn, batch.id, "input", place["chunk"]) or ""
            lines = [line.partition(" ") for line in split_chunk(chunk)]
            listed = [(parse_uuid(item_id), parse_uuid(revision)) for item_id, _, revision in lines]
            chosen = [
                Chosen(batch.done + number, item_id, revision)
                for number, (item_id, revision) in enumerate(listed, start=1)
                if item_id is not None
            ]
            return chosen, {"chunk": place["chunk"] + 1} if chosen else None
        if selection.retry_of is not None:
            problems = await list_problems(conn, selection.retry_of, place["after"], SLICE)
            refs = [(batch.done + n, parse_uuid(problem.ref)) for n, problem in enumerate(problems, start=1)]
            chosen = [Chosen(number, item_id) for number, item_id in refs if item_id is not None]
            return chosen, {"after": problems[-1].number} if problems else None
        if place["until"] is None:
            return [], None
        ids = await list_matching(
            conn,
            selection.types,
            selection.status,
            _pattern(selection),
            after=parse_uuid(place["after"] or ""),
            until=UUID(place["until"]),
            limit=SLICE,
        )
    chosen = [Chosen(batch.done + number, item_id) for number, item_id in enumerate(ids, start=1)]
    return chosen, {**place, "after": str(ids[-1])} if ids else None


def _pattern(selection: Selection) -> str:
    return f"%{escape_like(selection.text)}%" if selection.text else ""

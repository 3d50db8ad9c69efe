"""Which items a batch is about: listed ones, all that match a filter, or those that an earlier batch refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias
from uuid import UUID

from kernel.batch.lines import split_chunk
from kernel.batch.operation import Batch, Beginning
from kernel.batch.store import count_matching, find_chunk, find_last_id, list_matching, list_problems
from kernel.context import Context
from kernel.gather.compile import escape_like
from kernel.ids import first_uuid7, parse_uuid
from kernel.item.access import find_viewer
from kernel.item.decide import is_decided_by_plugins, list_allowed
from kernel.item.model import Item
from kernel.item.store import select_items
from kernel.runtime import Runtime
from kernel.tap.scope import TapScope

# Items of one slice: few enough that whoever saves one of them does not notice.
SLICE: Final = 100

# `seen` is how many were looked at before; what else is in it depends on the selection.
Place: TypeAlias = dict[str, Any]


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
    where any that is older than the batch will do. `then` is the place behind it."""

    number: int
    id: UUID
    expected: UUID | None
    then: Place


@dataclass(frozen=True, slots=True)
class Portion:
    """The items of one slice; one that is gone is in `chosen` alone. `count` is how many there were, `next_place`
    where the next slice begins; None: nothing is left. `hidden` are the places of those that a filter found and the
    actor may not view: they are not there."""

    chosen: Sequence[Chosen]
    items: dict[UUID, Item]
    looked_at: int
    next_place: Place | None
    hidden: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        return self.looked_at - len(self.hidden)

    def cut_behind(self, one: Chosen) -> "Portion":
        """The part up to and with this one; the next slice begins behind it."""
        left_out = (self.next_place or one.then)["seen"] - one.then["seen"]
        chosen = [other for other in self.chosen if other.number <= one.number]
        hidden = tuple(number for number in self.hidden if number <= one.number)
        return Portion(chosen, self.items, self.looked_at - left_out, one.then, hidden)


def write_listed(item_id: UUID, revision_id: UUID | None) -> str:
    """A line of the input, each item once; without a revision, whichever there is."""
    return f"{item_id} {revision_id or '-'}"


async def count_selected(rt: Runtime, ctx: Context, selection: Selection) -> int | None:
    """How many items a filter finds now. None where plugins decide which of them the actor may know of."""
    if is_decided_by_plugins(rt.plugins.registry, ctx.actor, selection.types):
        return None
    viewer = find_viewer(ctx.actor)
    async with rt.db.acquire() as conn:
        return await count_matching(
            conn, selection.types, selection.status, _pattern(selection), viewer=viewer
        )


async def begin_selection(rt: Runtime, batch: Batch) -> Beginning:
    selection: Selection = batch.arguments
    if selection.listed is not None:
        return Beginning(selection.listed, {"seen": 0, "chunk": 0, "skip": 0})
    if selection.retry_of is not None:
        return Beginning(selection.retried, {"seen": 0, "after": 0})
    async with rt.db.acquire() as conn:
        until = await find_last_id(conn)
    # Without a number, what is done so far is all that is told.
    total = await count_selected(rt, batch.ctx, selection) or 0
    return Beginning(total, {"seen": 0, "after": None, "until": str(until) if until else None})


async def read_portion(rt: Runtime, batch: Batch) -> Portion:
    """The items of the slice that begins at the batch's place."""
    selection: Selection = batch.arguments
    if selection.listed is not None:
        chosen, next_place = await _choose_listed(rt, batch)
    elif selection.retry_of is not None:
        chosen, next_place = await _choose_refused(rt, batch, selection.retry_of)
    else:
        chosen, next_place = await _choose_matching(rt, batch, selection)
    async with rt.db.acquire() as conn:
        items = await select_items(conn, [one.id for one in chosen])
    count = next_place["seen"] - batch.place["seen"] if next_place is not None else 0
    return Portion(chosen, {item.id: item for item in items}, count, next_place)


async def read_visible(rt: Runtime, batch: Batch, scope: TapScope) -> Portion:
    """The same without the items that the actor may not view: what was listed by its id is as if it were gone."""
    portion = await read_portion(rt, batch)
    items = {item.id: item for item in await list_allowed(scope, list(portion.items.values()), "view")}
    selection: Selection = batch.arguments
    if not selection.is_filter:
        return replace(portion, items=items)
    hidden = [one for one in portion.chosen if one.id in portion.items and one.id not in items]
    return replace(
        portion,
        items=items,
        chosen=[one for one in portion.chosen if one not in hidden],
        hidden=tuple(one.number for one in hidden),
    )


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


async def _choose_listed(rt: Runtime, batch: Batch) -> tuple[list[Chosen], Place | None]:
    place: Place = batch.place
    async with rt.db.acquire() as conn:
        chunk = await find_chunk(conn, batch.id, "input", place["chunk"])
    if chunk is None:
        return [], None
    lines = split_chunk(chunk)
    first = place["seen"] - place["skip"]
    chosen: dict[UUID, Chosen] = {}
    for skip, line in enumerate(lines[place["skip"] :], start=place["skip"] + 1):
        item_id, _, revision = line.partition(" ")
        parsed = parse_uuid(item_id)
        if parsed is not None and parsed not in chosen:
            then = {**place, "seen": first + skip, "skip": skip}
            chosen[parsed] = Chosen(first + skip, parsed, parse_uuid(revision), then)
    next_place = {"seen": first + len(lines), "chunk": place["chunk"] + 1, "skip": 0}
    return list(chosen.values()), next_place


async def _choose_refused(rt: Runtime, batch: Batch, earlier: UUID) -> tuple[list[Chosen], Place | None]:
    place: Place = batch.place
    async with rt.db.acquire() as conn:
        problems = await list_problems(conn, earlier, place["after"], SLICE)
    chosen: dict[UUID, Chosen] = {}
    next_place = None
    for number, problem in enumerate(problems, start=place["seen"] + 1):
        next_place = {"seen": number, "after": problem.number}
        item_id = parse_uuid(problem.ref)
        if item_id is not None and item_id not in chosen:
            chosen[item_id] = Chosen(number, item_id, None, next_place)
    return list(chosen.values()), next_place


async def _choose_matching(
    rt: Runtime, batch: Batch, selection: Selection
) -> tuple[list[Chosen], Place | None]:
    place: Place = batch.place
    if place["until"] is None:
        return [], None
    async with rt.db.acquire() as conn:
        ids = await list_matching(
            conn,
            selection.types,
            selection.status,
            _pattern(selection),
            viewer=find_viewer(batch.ctx.actor),
            after=parse_uuid(place["after"] or ""),
            until=UUID(place["until"]),
            limit=SLICE,
        )
    chosen = [
        Chosen(number, item_id, None, {**place, "seen": number, "after": str(item_id)})
        for number, item_id in enumerate(ids, start=place["seen"] + 1)
    ]
    return chosen, chosen[-1].then if chosen else None


def _pattern(selection: Selection) -> str:
    return f"%{escape_like(selection.text)}%" if selection.text else ""

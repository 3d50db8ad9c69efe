"""Deletes an account: first it is blocked, then its content gets its fate, and at last the account itself goes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import UUID

from kernel import clock
from kernel.audit.model import Entry
from kernel.batch.operation import Batch, Beginning, Operation, Slice
from kernel.batch.store import (
    COUNTED_TO,
    count_content,
    keep_account,
    list_content,
    move_content,
    move_revisions,
)
from kernel.ids import uuid7
from kernel.item.decide import sees_everything
from kernel.item.follow_up import drop_pages, follow_up_taps
from kernel.item.model import Item
from kernel.item.store import (
    delete_items,
    insert_current_revisions,
    lock_items,
    select_items,
    update_statuses,
)
from kernel.ledger.run import Finish
from kernel.names import ANONYMOUS_ID, PAGES_TAG
from kernel.people.change import choose
from kernel.people.permission import ADMINISTER_USERS
from kernel.people.store import delete_person, find_person, lock_people, set_active
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_DELETE, ITEM_UPDATE
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.model import user_tag
from kernel.user.ways_in import end_ways_in_with

Fate = Literal["keep", "assign", "unpublish", "delete"]
ITEMS_AT_ONCE: Final = 100
REVISIONS_AT_ONCE: Final = 2_000
# More than to administer people is needed for what changes content.
CONTENT_PERMISSION: Final = "administer content"
LOG_MESSAGE: Final = "Unpublished, since the account of its author was deleted"


@dataclass(frozen=True, slots=True)
class DeletePerson:
    """`name` is for those who look at the batch. With the fate "assign" `heir_id` gets the content."""

    user_id: UUID
    name: str
    fate: Fate
    heir_id: UUID | None = None


async def _begin(rt: Runtime, batch: Batch) -> Beginning:
    arguments: DeletePerson = batch.arguments
    total: int | None = 0
    if sees_everything(rt.plugins.registry, batch.ctx.actor):
        async with rt.db.acquire() as conn:
            total = await count_content(conn, arguments.user_id, COUNTED_TO)
    return Beginning(total or 0, {"step": "block"})


async def _work(rt: Runtime, batch: Batch) -> None:
    async with batch.slice() as part:
        if batch.place["step"] == "block":
            await _block(rt, batch, part)
        elif batch.place["step"] == "items":
            await _settle_items(rt, batch, part)
        else:
            arguments: DeletePerson = batch.arguments
            moved = await move_revisions(part.conn, arguments.user_id, REVISIONS_AT_ONCE)
            part.is_last = moved < REVISIONS_AT_ONCE


async def _block(rt: Runtime, batch: Batch, part: Slice) -> None:
    """From here on nobody can do anything with the account, so that its content does not grow while it is settled."""
    arguments: DeletePerson = batch.arguments
    await lock_people(part.conn)
    person = await find_person(part.conn, arguments.user_id)
    refusals: Sequence[str] = []
    if person is not None:
        _, refusals = await choose(batch.ctx.actor, [person], "block", part.conn)
    if not refusals and arguments.fate != "keep" and not batch.ctx.actor.may(CONTENT_PERMISSION):
        refusals = [f"To do more than keep the content, the permission “{CONTENT_PERMISSION}” is needed."]
    if refusals:
        part.refuse(1, refusals[0])
        part.count(1)
        part.end_at(None)
        part.place = {"step": "refused"}
        return
    await set_active(part.conn, [arguments.user_id], is_active=False)
    await end_ways_in_with(rt, part.effects, [arguments.user_id])
    part.effects.drop_tags(user_tag(arguments.user_id), PERMISSIONS_TAG)
    part.place = {"step": "items"}


async def _settle_items(rt: Runtime, batch: Batch, part: Slice) -> None:
    """What was settled is no longer the account's, so that what is left is always the next slice."""
    arguments: DeletePerson = batch.arguments
    ids = await list_content(part.conn, arguments.user_id, ITEMS_AT_ONCE)
    await lock_items(part.conn, ids)
    items = [item for item in await select_items(part.conn, ids) if item.author_id == arguments.user_id]
    if arguments.fate == "delete":
        await delete_items(part.conn, [item.id for item in items])
        follow_up_taps(rt.plugins.registry, part.effects, ITEM_DELETE, items)
    else:
        new_owner = await _find_new_owner(part, arguments)
        if arguments.fate == "unpublish":
            items = await _unpublish(batch, part, items)
        await move_content(part.conn, [item.id for item in items], new_owner)
        moved = [replace(item, author_id=new_owner) for item in items]
        follow_up_taps(rt.plugins.registry, part.effects, ITEM_UPDATE, moved)
    drop_pages(part.effects, items)
    # Others are not told how much of it there was: they may not see all.
    if sees_everything(rt.plugins.registry, batch.ctx.actor):
        part.count(len(items))
    if len(ids) < ITEMS_AT_ONCE:
        part.place = {"step": "revisions"}


async def _find_new_owner(part: Slice, arguments: DeletePerson) -> UUID:
    """Nobody, when the heir is gone by now."""
    if arguments.fate != "assign" or arguments.heir_id is None:
        return ANONYMOUS_ID
    return arguments.heir_id if await keep_account(part.conn, arguments.heir_id) else ANONYMOUS_ID


async def _unpublish(batch: Batch, part: Slice, items: Sequence[Item]) -> list[Item]:
    """All of them; those that were published have a revision more."""
    now = clock.now()
    hidden = {
        item.id: replace(item, status=0, changed=now, revision_id=uuid7())
        for item in items
        if item.is_published
    }
    await update_statuses(part.conn, list(hidden.values()))
    await insert_current_revisions(
        part.conn, list(hidden), editor_id=batch.ctx.actor.id, log_message=LOG_MESSAGE, now=now
    )
    return [hidden.get(item.id, item) for item in items]


async def _complete(rt: Runtime, batch: Batch, finish: Finish) -> None:
    """With what came to be the account's at the last moment, which is kept. Between the slices somebody may have let
    its person in again, and that person be the only administrator by now."""
    arguments: DeletePerson = batch.arguments
    if batch.place["step"] == "refused":
        return
    await lock_people(finish.conn)
    person = await find_person(finish.conn, arguments.user_id)
    if person is not None:
        _, refusals = await choose(batch.ctx.actor, [person], "block", finish.conn)
        if person.user.is_active:
            refusals = [*refusals, f"{person.name} was unblocked meanwhile, so that the account stays."]
        if refusals:
            finish.result |= {"outcome": "conflict", "message": refusals[0]}
            return
    while left := await list_content(finish.conn, arguments.user_id, ITEMS_AT_ONCE):
        await move_content(finish.conn, left, ANONYMOUS_ID)
    await move_revisions(finish.conn, arguments.user_id, None)
    await delete_person(finish.conn, arguments.user_id)
    await end_ways_in_with(rt, finish, [arguments.user_id])
    finish.drop_tags(user_tag(arguments.user_id), PAGES_TAG)
    details = {"content": arguments.fate}
    finish.audit(Entry("account.delete", "account", str(arguments.user_id), arguments.name, details))


DELETE_PERSON: Final = Operation(
    "delete_person",
    "Delete an account",
    "Seeing to its content",
    ADMINISTER_USERS,
    DeletePerson,
    _begin,
    _work,
    _complete,
)

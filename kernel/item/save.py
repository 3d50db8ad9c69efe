"""Saves an item: presave taps, checks, then one transaction that also finishes the job."""

from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from kernel import clock
from kernel.context import Actor
from kernel.form_jobs import RUN_FORM_TAPS
from kernel.ids import uuid7
from kernel.item.access import may_create
from kernel.item.decide import is_allowed
from kernel.item.follow_up import follow_up_saved
from kernel.item.model import Item
from kernel.item.presave import run_presave_taps
from kernel.item.store import insert_item, lock_item, select_item, update_item
from kernel.item.values import Checked, check_values
from kernel.item_type.load import get_item_type
from kernel.jobs import SaveItem
from kernel.ledger.run import Finish, JobRun
from kernel.names import LIVE
from kernel.runtime import Runtime
from kernel.tap.catalogue import ITEM_INSERT, ITEM_UPDATE
from kernel.tap.scope import TapScope
from kernel.user.load import load_again

CHANGED_MEANWHILE: Final = (
    "Somebody else saved this item while you were editing it. Your text is kept below: "
    "open the item in another tab, compare, and save again to replace that version."
)


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is about to be stored, before the transaction decides whether it may be."""

    item: Item
    is_new: bool
    warnings: tuple[str, ...] = ()


async def run_save_item(rt: Runtime, run: JobRun) -> None:
    """The work of a `save_item` job. Values that are wrong and conflicts are results, not failures."""
    payload: SaveItem = run.payload
    ctx = run.ctx.acting_as(await load_again(rt, run.ctx.actor))
    item_type = await get_item_type(rt, ctx, payload.type)
    async with rt.db.acquire() as conn:
        stored = await select_item(conn, payload.item_id)
    async with TapScope(rt.plugins, ctx) as scope:
        refusal = await _find_refusal(scope, payload, stored)
    if refusal is None:
        checked = check_values(
            item_type, payload.title, payload.fields, ctx.actor, stored.fields if stored else None
        )
        if checked.problems:
            refusal = {"outcome": "invalid", "problems": checked.problems}
    if refusal is not None:
        async with run.finish() as finish:
            finish.result = refusal
        return
    draft = _build_draft(payload, checked, stored, ctx.actor)
    async with TapScope(rt.plugins, ctx) as scope:
        item, warnings = await run_presave_taps(
            scope, item_type, draft.item, "insert" if draft.is_new else "update"
        )
    draft = replace(draft, item=item, warnings=tuple(warnings))
    async with run.finish() as finish:
        await _write(rt, finish, payload, draft, ctx.actor.id)


async def _find_refusal(scope: TapScope, payload: SaveItem, stored: Item | None) -> dict[str, Any] | None:
    if scope.ctx.stage_id != LIVE:
        return {
            "outcome": "invalid",
            "problems": {
                "": "Items are edited on the live site in this version. Switch the stage to Live, then save again."
            },
        }
    if payload.expected_revision_id is None:
        if stored is not None:
            return {"outcome": "conflict", "message": "An item with this id exists already."}
        if not may_create(scope.ctx.actor, payload.type):
            return {"outcome": "forbidden", "message": f"You may not create {payload.type} content."}
        return None
    if stored is None:
        return {"outcome": "conflict", "message": "This item was deleted while you were editing it."}
    if not await is_allowed(scope, stored, "edit"):
        return {"outcome": "forbidden", "message": "You may not edit this item."}
    if stored.revision_id != payload.expected_revision_id:
        return {"outcome": "conflict", "message": CHANGED_MEANWHILE, "revision_id": str(stored.revision_id)}
    return None


def _build_draft(payload: SaveItem, checked: Checked, stored: Item | None, actor: Actor) -> _Draft:
    now = clock.now()
    item = Item(
        id=payload.item_id,
        type=payload.type,
        title=checked.title,
        author_id=stored.author_id if stored else actor.id,
        status=payload.status,
        promote=payload.promote,
        sticky=payload.sticky,
        created=stored.created if stored else now,
        changed=now,
        fields=checked.fields,
        revision_id=uuid7(),
        author_name=stored.author_name if stored else actor.name,
        stage_id=stored.stage_id if stored else LIVE,
    )
    return _Draft(item, is_new=stored is None)


async def _write(rt: Runtime, finish: Finish, payload: SaveItem, draft: _Draft, editor_id: UUID) -> None:
    """Row, revision, follow-up jobs and tags in the transaction that marks the job done."""
    conn, item = finish.conn, draft.item
    expected = payload.expected_revision_id
    if expected is None:
        if not await insert_item(conn, item, editor_id, payload.log_message):
            finish.result = {"outcome": "conflict", "message": "An item with this id exists already."}
            return
    elif not await update_item(conn, item, expected, editor_id, payload.log_message):
        current = await lock_item(conn, item.id)
        finish.result = {
            "outcome": "conflict",
            "message": CHANGED_MEANWHILE,
            "revision_id": str(current) if current else None,
        }
        return
    tap = ITEM_INSERT if draft.is_new else ITEM_UPDATE
    follow_up_saved(rt.plugins.registry, finish, tap, [item])
    if payload.form is not None:
        finish.follow_up(RUN_FORM_TAPS, payload.form)
    finish.result = {
        "outcome": "saved",
        "item_id": str(item.id),
        "revision_id": str(item.revision_id),
        "path": item.path,
        "title": item.title,
        "is_new": draft.is_new,
        "warnings": list(draft.warnings),
    }

"""Decides about access to items, many at once: plugins are asked in one call each, and once in a request."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from kernel.context import Actor
from kernel.item.access import Operation, Step, Verdict, is_granted, may_see_unpublished, weigh
from kernel.item.model import Item
from kernel.names import ACCESS_CONTENT, EVERYTHING
from kernel.tap.answers import NEUTRAL
from kernel.tap.catalogue import ITEM_ACCESS
from kernel.tap.dispatch import dispatch
from kernel.tap.record import Record
from kernel.tap.registry import TapRegistry
from kernel.tap.scope import TapScope

_VIEW_FIRST: Final = Step(NEUTRAL, "Only who may view an item may do more to it, so that is decided first.")
_FAILED: Final = "a plugin that decides about access failed"


@dataclass(frozen=True, slots=True)
class Decision:
    """`record` is what the plugins were told when they decided; empty where none was asked."""

    steps: tuple[Step, ...]
    record: Record

    @property
    def is_allowed(self) -> bool:
        return is_granted(self.steps)


async def decide_access(scope: TapScope, items: Sequence[Item], operation: Operation) -> list[Decision]:
    """One for each item, for the actor of the scope. Who may not view an item may do nothing to it.

    Administrators are allowed everything, and plugins are not asked about them."""
    if operation != "view":
        views = await decide_access(scope, items, "view")
        seen = [item for item, view in zip(items, views, strict=True) if view.is_allowed]
        await _ask_plugins(scope, seen, operation)
        return [
            _find(scope, item, operation)
            if view.is_allowed
            else Decision((_VIEW_FIRST, *view.steps), view.record)
            for item, view in zip(items, views, strict=True)
        ]
    await _ask_plugins(scope, items, operation)
    return [_find(scope, item, operation) for item in items]


async def list_allowed(scope: TapScope, items: Sequence[Item], operation: Operation) -> list[Item]:
    decisions = await decide_access(scope, items, operation)
    return [item for item, decision in zip(items, decisions, strict=True) if decision.is_allowed]


async def is_allowed(scope: TapScope, item: Item, operation: Operation) -> bool:
    return (await decide_access(scope, [item], operation))[0].is_allowed


def has_deciders(registry: TapRegistry, item_type: str) -> bool:
    """Whether any plugin has a say about items of that type, those among them that cannot be asked."""
    return registry.is_wanted(ITEM_ACCESS, item_type) or any(
        options.wants(item_type) for _, options in registry.list_away(ITEM_ACCESS)
    )


def is_decided_by_plugins(registry: TapRegistry, actor: Actor, types: Collection[str]) -> bool:
    """Whether plugins have a say about what the actor sees of these types; none are all. Administrators are never asked
    about."""
    if actor.is_admin:
        return False
    if types:
        return any(has_deciders(registry, item_type) for item_type in types)
    return bool(registry.get_implementors(ITEM_ACCESS) or registry.list_away(ITEM_ACCESS))


def sees_everything(registry: TapRegistry, actor: Actor) -> bool:
    """Whether no item is hidden from the actor, so that a number that counts all of them tells of none that is."""
    sees_drafts = actor.may(ACCESS_CONTENT) and may_see_unpublished(actor)
    return sees_drafts and not is_decided_by_plugins(registry, actor, ())


def _find(scope: TapScope, item: Item, operation: Operation) -> Decision:
    decided: Decision | None = scope.decided.get((operation, item.revision_id))
    if decided is not None:
        return decided
    return Decision(tuple(weigh(scope.ctx.actor, item, operation)), _note_actor(scope, item, Record()))


def _note_actor(scope: TapScope, item: Item, record: Record) -> Record:
    """Others who see the same page are asked about where administrators are not."""
    if has_deciders(scope.registry, item.type):
        record.note_permission(EVERYTHING, scope.ctx.actor.is_admin)
    return record


async def _ask_plugins(scope: TapScope, items: Sequence[Item], operation: Operation) -> None:
    """Notes what is decided, and in the witness of the scope what it depends on: a page that shows the items, or leaves
    some out, depends on it too."""
    if scope.ctx.actor.is_admin:
        return
    asked = [
        item
        for item in items
        if has_deciders(scope.registry, item.type) and (operation, item.revision_id) not in scope.decided
    ]
    if not asked:
        return
    data = [item.as_data() for item in asked]
    dispatched = await dispatch(scope.judges, ITEM_ACCESS, items=data, extra={"operation": operation})
    failed = {failure.plugin for failure in dispatched.failures}
    record = _note_actor(scope, asked[0], scope.judges.witness.record.copy())
    if failed:
        record.note_obstacle(_FAILED)
    scope.witness.record.merge(record)
    for index, item in enumerate(asked):
        verdicts = [
            Verdict(plugin, answer[index], plugin in failed)
            for plugin, answer in dispatched.answers
            if answer[index] is not None
        ]
        steps = tuple(weigh(scope.ctx.actor, item, operation, verdicts))
        scope.decided[operation, item.revision_id] = Decision(steps, record)

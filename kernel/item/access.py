"""Who may do what to an item: what roles say, and how it is weighed with what plugins say, step by step."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from kernel.context import Actor
from kernel.item.model import Item
from kernel.names import ACCESS_CONTENT
from kernel.tap.answers import DENY, GRANT, NEUTRAL

Operation = Literal["view", "edit", "delete"]
VIEW_UNPUBLISHED: Final = "view unpublished content"
_ORDER: Final = (DENY, GRANT, NEUTRAL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a plugin said; one that `has_failed`, or could not be asked, stands for a Deny."""

    plugin: str
    answer: str
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """`says` is "grant", "deny" or "neutral", `reason` a sentence for people, `plugin` "" where the kernel says it."""

    says: str
    reason: str
    plugin: str = ""


def may_create(actor: Actor, item_type: str) -> bool:
    return actor.may(f"create {item_type} content")


def may_see_unpublished(actor: Actor) -> bool:
    return actor.may(VIEW_UNPUBLISHED)


def find_viewer(actor: Actor) -> UUID | None:
    """For queries: whose drafts are there beside what is published; None: everybody's."""
    return None if may_see_unpublished(actor) else actor.id


def weigh(actor: Actor, item: Item, operation: Operation, verdicts: Iterable[Verdict] = ()) -> Iterator[Step]:
    """The steps of a decision; the first that is not neutral decides, those behind it tell what would have."""
    if actor.is_admin:
        yield Step(GRANT, "Administrators may do everything; plugins are not asked.")
        return
    for verdict in sorted(verdicts, key=lambda one: _ORDER.index(one.answer)):
        yield _read_verdict(verdict)
    yield from _weigh_view(actor, item) if operation == "view" else _weigh_change(actor, item, operation)


def is_granted(steps: Iterable[Step]) -> bool:
    """Nobody is allowed what nobody grants."""
    return next((step.says for step in steps if step.says != NEUTRAL), DENY) == GRANT


def may_by_role(actor: Actor, item: Item, operation: Operation) -> bool:
    """Without the plugins: for what plugins load while they decide, and where it is known that none decides."""
    return is_granted(weigh(actor, item, operation))


def _read_verdict(verdict: Verdict) -> Step:
    if verdict.has_failed:
        return Step(DENY, "It could not answer, which counts as Deny.", verdict.plugin)
    told = {DENY: "It denies this.", GRANT: "It grants this.", NEUTRAL: "It leaves this to others."}
    return Step(verdict.answer, told[verdict.answer], verdict.plugin)


def _weigh_view(actor: Actor, item: Item) -> Iterator[Step]:
    if not actor.may(ACCESS_CONTENT):
        yield Step(DENY, f"Without the permission “{ACCESS_CONTENT}” no content is seen.")
        return
    if item.is_published:
        yield Step(GRANT, f"It is published, and the permission “{ACCESS_CONTENT}” is there.")
        return
    if not actor.is_anonymous and item.author_id == actor.id:
        yield Step(GRANT, "It is not published, and authors see what they wrote.")
    yield _ask_permission(actor, VIEW_UNPUBLISHED)
    yield Step(DENY, "It is not published, and nobody granted this.")


def _weigh_change(actor: Actor, item: Item, operation: Operation) -> Iterator[Step]:
    yield _ask_permission(actor, f"{operation} any {item.type} content")
    if not actor.is_anonymous and item.author_id == actor.id:
        yield _ask_permission(actor, f"{operation} own {item.type} content")
    else:
        yield Step(NEUTRAL, "Somebody else wrote it.")
    yield Step(DENY, "Nobody granted this.")


def _ask_permission(actor: Actor, permission: str) -> Step:
    if actor.may(permission):
        return Step(GRANT, f"The permission “{permission}” is there.")
    return Step(NEUTRAL, f"The permission “{permission}” is missing.")


def content_permissions(item_type: str) -> tuple[str, ...]:
    """The permissions that an item type brings with it."""
    return (
        f"create {item_type} content",
        f"edit own {item_type} content",
        f"edit any {item_type} content",
        f"delete own {item_type} content",
        f"delete any {item_type} content",
    )

"""Who may do what to an item: a short list of reasons in order."""

from typing import Literal

from kernel.context import Actor
from kernel.item.model import Item
from kernel.names import ACCESS_CONTENT

Operation = Literal["view", "edit", "delete"]


def may_create(actor: Actor, item_type: str) -> bool:
    return actor.may(f"create {item_type} content")


def may_see_unpublished(actor: Actor) -> bool:
    return actor.may("view unpublished content")


def may_view(actor: Actor, item: Item) -> bool:
    if not actor.may(ACCESS_CONTENT):
        return False
    if item.is_published:
        return True
    if not actor.is_anonymous and item.author_id == actor.id:
        return True
    return may_see_unpublished(actor)


def may_change(actor: Actor, item: Item, operation: Literal["edit", "delete"]) -> bool:
    if actor.may(f"{operation} any {item.type} content"):
        return True
    if actor.is_anonymous or item.author_id != actor.id:
        return False
    return actor.may(f"{operation} own {item.type} content")


def may(actor: Actor, item: Item, operation: Operation) -> bool:
    if operation == "view":
        return may_view(actor, item)
    return may_change(actor, item, operation)


def content_permissions(item_type: str) -> tuple[str, ...]:
    """The permissions that an item type brings with it."""
    return (
        f"create {item_type} content",
        f"edit own {item_type} content",
        f"edit any {item_type} content",
        f"delete own {item_type} content",
        f"delete any {item_type} content",
    )

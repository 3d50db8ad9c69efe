"""Shows below an item the others whose titles share words with its own."""

import re
from collections import Counter

from trovato_sdk import ItemData, RenderElement, cache, container, db, link, list_, markup, tap, user

WORD = re.compile(r"[^\W\d_]{4,}")
WORDS_MAX = 10  # of a title
RELATED_MAX = 10  # that a save finds
SHOWN_MAX = 5


@tap
def item_insert(item: ItemData) -> None:
    relate(item)


@tap
def item_update(item: ItemData) -> None:
    forget(item.id)
    relate(item)


@tap
def item_delete(item: ItemData) -> None:
    forget(item.id)


@tap
def item_view(item: ItemData) -> RenderElement | None:
    if not user.may("access content"):
        return None
    found = cache.get("related", item.id)
    if found is None:
        found = list_related(item.id)
        cache.set("related", item.id, found)  # Forgotten by itself when a row of these tables changes.
    if not found:
        return None
    return container(
        markup("Related", tag="h2"),
        list_([link(row["item.title"], f"/item/{row['other_id']}") for row in found]),
        tag="aside",
        classes="related-items",
    )


def list_related(item_id: str) -> list[db.Row]:
    """Only what is published, which everybody sees who may see content at all."""
    return db.select(
        "pair",
        fields=["other_id", "item.title"],
        joins=[db.join("item", {"item_id": "other_id"})],
        where={"item_id": item_id, "item.is_published": True},
        order_by=["-score", "item.title"],
        limit=SHOWN_MAX,
    )


def relate(item: ItemData) -> None:
    """Some forty host calls at most, of the hundred that a tap has."""
    db.insert("item", {"item_id": item.id, "title": item.title, "is_published": item.is_published})
    words = sorted({word.lower() for word in WORD.findall(item.title)}, key=len)[-WORDS_MAX:]
    if not words:
        return
    rows = db.select("word", where=[("word", "in", words)], order_by=["-id"], limit=500)
    scores = Counter(row["item_id"] for row in rows)
    for word in words:
        db.insert("word", {"item_id": item.id, "word": word})
    for other, score in scores.most_common(RELATED_MAX):
        db.insert("pair", {"item_id": item.id, "other_id": other, "score": score})
        db.insert("pair", {"item_id": other, "other_id": item.id, "score": score})


def forget(item_id: str) -> None:
    for table, column in (
        ("item", "item_id"),
        ("word", "item_id"),
        ("pair", "item_id"),
        ("pair", "other_id"),
    ):
        db.delete(table, where={column: item_id})

"""Keeps answers of plugins, each under exactly what it depends on, so that the same question needs no instance.

The key of a question holds what it was asked with: the plugin's artefact and manifest, the tap, the stage, the
language, the item as it was or the page's address. What stands under the key is the answer, or, where answers differ
between viewers, a description of what they differ by; then each answer stands under the key and the viewer's share of
that. Data that an answer was made from is told by tags, which are dropped when it changes.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from kernel.context import Context
from kernel.log import get_logger
from kernel.names import ACCESS_CONTENT, FRAGMENTS_TAG, item_tag
from kernel.shared.cache import MAX_TAGS, Cache, NewEntry, SharedEntry
from kernel.shared.corner import Corner
from kernel.shared.drops import short_name, short_names
from kernel.tap.catalogue import Tap
from kernel.tap.handle import ItemData
from kernel.tap.record import Record
from kernel.tap.registry import Implementor

log = get_logger(__name__)

# Part of every key, so that a release with another form of entry does not read the old ones.
FORMAT: Final = "fragment1"
# In bytes of JSON. Larger answers are made each time, rather than filling the memory that all share.
FRAGMENT_MAX: Final = 250_000
PUBLISHED: Final = 1

TOO_LARGE: Final = f"it is larger than {FRAGMENT_MAX:,} bytes"
TOO_MANY: Final = f"it depends on more than {MAX_TAGS} things"
KNOWS_PLACE: Final = "it was made by a function that knew the address of this page"

Revive = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Variance:
    """What answers to one question differ by."""

    has_user: bool = False
    permissions: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.has_user or bool(self.permissions)

    def __or__(self, other: "Variance") -> "Variance":
        return Variance(self.has_user or other.has_user, self.permissions | other.permissions)

    def share_of(self, ctx: Context) -> str:
        """What makes this viewer's answer theirs, as part of a key."""
        said = [(name, ctx.actor.may(name)) for name in sorted(self.permissions)]
        text = orjson.dumps([str(ctx.actor.id) if self.has_user else None, said])
        return hashlib.sha256(text).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was checked; nobody may change it. `until` is when it stops being true, in seconds since 1970."""

    answer: Any
    record: Record
    until: float | None

    def recall(self) -> Record:
        """What it depends on, from now."""
        if self.until is None:
            return self.record
        record = self.record.copy()
        record.note_life(self.until - time.time())
        return record


@dataclass(slots=True)
class Fragments:
    """Of one request. `generation` was current before anything was read for it."""

    cache: Cache
    ctx: Context
    ttl_s: float
    generation: int
    _known: dict[str, Variance] = field(default_factory=dict)
    _new: list[NewEntry] = field(default_factory=list)

    async def find(self, keys: Sequence[str], revive: Revive) -> dict[str, Kept]:
        """What is kept for this viewer. `revive` makes an answer of what is read as JSON. At most two round trips."""
        doors = await self._load(keys, revive)
        found = {key: it for key, it in doors.items() if isinstance(it, Kept)}
        behind: dict[str, str] = {}
        for key, door in doors.items():
            if isinstance(door, Variance):
                self._known[key] = door
                behind[f"{key}:{door.share_of(self.ctx)}"] = key
        if behind:
            kept = await self._load(list(behind), revive)
            found |= {behind[name]: it for name, it in kept.items() if isinstance(it, Kept)}
        return found

    def offer(self, key: str, answer: Any, record: Record, variance: Variance) -> str:
        """Keep it, for others from the next `flush` on. "" or why it is not kept."""
        ttl_s = self.ttl_s if record.ttl_s is None else min(self.ttl_s, record.ttl_s)
        kept = Kept(answer, record, None if record.ttl_s is None else time.time() + record.ttl_s)
        value = _write(kept)
        if len(value) > FRAGMENT_MAX:
            return TOO_LARGE
        variance |= self._known.get(key, Variance())
        if variance:
            if self._known.get(key) != variance:
                self._known[key] = variance
                door = orjson.dumps({"by": [variance.has_user, sorted(variance.permissions)]})
                self._put(key, variance, door, [FRAGMENTS_TAG], self.ttl_s)
            key = f"{key}:{variance.share_of(self.ctx)}"
        self._put(key, kept, value, short_names([*record.tags, FRAGMENTS_TAG]), ttl_s)
        return ""

    async def flush(self, corner: Corner | None = None) -> int:
        """In one round trip; how many entries were kept."""
        new, self._new = self._new, []
        return await self.cache.store_many(new, self.generation, corner)

    async def _load(self, keys: Sequence[str], revive: Revive) -> dict[str, Kept | Variance]:
        found: dict[str, Any] = {}
        missing: list[str] = []
        for key in keys:
            local = self.cache.get_local(key)
            if local is None:
                missing.append(key)
            else:
                found[key] = local
        if missing:
            for key, entry in zip(missing, await self.cache.fetch_many(missing), strict=True):
                read = None if entry is None else _read(entry, revive)
                if entry is not None and read is not None:
                    found[key] = read
                    size = len(entry.value)
                    self.cache.put_local(
                        key, read, entry.tags, entry.ttl_s, entry.generation, size_bytes=size
                    )
        return found

    def _put(
        self, key: str, kept: Kept | Variance, value: bytes, tags: Collection[str], ttl_s: float
    ) -> None:
        self._new.append(NewEntry(key, value, tags, ttl_s))
        self.cache.put_local(key, kept, tags, ttl_s, self.generation, size_bytes=len(value))


def build_item_key(implementor: Implementor, tap: Tap, ctx: Context, item: ItemData, *, is_own: bool) -> str:
    """`is_own` says that the plugin is shown all fields, since the item's type is its own."""
    return (
        f"{FORMAT}:{implementor.fingerprint}:{tap.function}:{ctx.stage_id}:{ctx.language}:{is_own:d}"
        f":{item['id']}:{item['changed']}"
    )


def build_place_key(implementor: Implementor, tap: Tap, ctx: Context, place: str) -> str:
    return f"{FORMAT}:{implementor.fingerprint}:{tap.function}:{ctx.stage_id}:{ctx.language}:{place}"


def build_place(extra: Mapping[str, Any]) -> str:
    """A short name for everything that a page is asked with."""
    return hashlib.sha256(orjson.dumps(extra, option=orjson.OPT_SORT_KEYS)).hexdigest()


def is_for_all(item: ItemData) -> bool:
    """Whether everybody may see it who may see items at all."""
    return bool(item["status"] == PUBLISHED)


def tell_items(items: Sequence[ItemData]) -> Record:
    """What a plugin learns by being handed the items, one beside the other. What only some may see stays with who
    asked."""
    record = Record()
    record.note_tags(*(item_tag(item["id"]) for item in items))
    record.note_permission(ACCESS_CONTENT, granted=True)
    if not all(is_for_all(item) for item in items):
        record.note_user()
    return record


def find_obstacle(record: Record, place: str) -> str:
    """Why an answer is not kept, "" when it can be; `place` is the address that its key holds, "" for none."""
    if record.obstacle:
        return record.obstacle
    if record.places - {place}:
        return KNOWS_PLACE
    if len(record.tags) >= MAX_TAGS:
        return TOO_MANY
    return ""


def find_variance(record: Record, told: Record) -> Variance:
    """What was learned from the payload alone, everybody is granted who is shown the answer."""
    differs = record.permissions.keys() - told.permissions.keys()
    return Variance(record.has_user, frozenset(differs))


def _write(kept: Kept) -> bytes:
    record = kept.record
    return orjson.dumps(
        {
            "answer": kept.answer,
            "until": kept.until,
            "user": record.has_user,
            "permissions": record.permissions,
            # The entry has all tags, these under a name that does not tell what they were.
            "long": [tag for tag in record.tags if short_name(tag) != tag],
        }
    )


def _read(entry: SharedEntry, revive: Revive) -> Kept | Variance | None:
    try:
        data = orjson.loads(entry.value)
        if "by" in data:
            has_user, permissions = data["by"]
            return Variance(has_user, frozenset(permissions))
        record = Record()
        record.note_tags(
            *(tag for tag in entry.tags if tag[0] != "#" and tag != FRAGMENTS_TAG), *data["long"]
        )
        record.has_user, record.permissions = data["user"], data["permissions"]
        return Kept(revive(data["answer"]), record, data["until"])
    except (ValueError, KeyError, TypeError) as error:
        log.warning("a fragment in Redis could not be read", error=repr(error))
        return None

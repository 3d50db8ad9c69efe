"""The tier of the cache inside one process: least recently used entries leave first, by number and by
bytes."""

import time
from collections import OrderedDict
from collections.abc import Collection

from kernel.shared.drops import Drops

# What Python itself spends on an entry, roughly: the object, its key's place, a tag's place.
ENTRY_BYTES = 300
TAG_BYTES = 80


class _Entry:
    __slots__ = ("checked", "expires", "generation", "size", "tags", "value")

    def __init__(
        self, value: object, generation: int, tags: tuple[str, ...], expires: float, size: int
    ) -> None:
        self.value = value
        self.generation = generation
        self.tags = tags
        self.expires = expires
        self.size = size
        self.checked = -1


class LocalTier:
    """Values are shared by everybody in the process, so they must be immutable or treated as such."""

    def __init__(self, drops: Drops, *, max_entries: int, max_bytes: int) -> None:
        self._drops = drops
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self.bytes_used = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> object | None:
        """None also when the last contact with Redis is too old for the entry to be trusted."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        drops = self._drops
        now = time.monotonic()
        if now >= entry.expires:
            self._remove(key)
            return None
        if entry.checked != drops.changes:
            if not drops.is_current(entry.generation, entry.tags):
                self._remove(key)
                return None
            entry.checked = drops.changes
        if now >= drops.fresh_until:
            return None
        self._entries.move_to_end(key)
        return entry.value

    def put(
        self,
        key: str,
        value: object,
        tags: Collection[str],
        ttl_s: float,
        generation: int,
        *,
        size_bytes: int,
    ) -> bool:
        """Refused, with False, when a tag was dropped since `generation`, or the value is larger than the
        tier."""
        size = size_bytes + len(key) + ENTRY_BYTES + TAG_BYTES * len(tags)
        if ttl_s <= 0 or size > self._max_bytes or not self._drops.is_current(generation, tags):
            return False
        self._remove(key)
        self._entries[key] = _Entry(value, generation, tuple(tags), time.monotonic() + ttl_s, size)
        self.bytes_used += size
        while self.bytes_used > self._max_bytes or len(self._entries) > self._max_entries:
            _, oldest = self._entries.popitem(last=False)
            self.bytes_used -= oldest.size
        return True

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes_used -= entry.size

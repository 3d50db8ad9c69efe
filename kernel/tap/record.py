"""What an answer of a plugin depends on, written down while the plugin asks for it.

A plugin knows of the world only what the kernel told it. So whoever notes each thing that it was told knows when the
same question would be answered the same.
"""

from collections.abc import Mapping
from typing import Self


class Record:
    """Belongs to one instance, whose memory may carry what an earlier tap of the same request learned: it only grows.

    `tags` are cache tags of the data read. `has_user` says that the answer is one user's alone, `permissions` which
    ones were asked about and what was said. `ttl_s` is how long the answer can be true (None: until a tag is dropped),
    `obstacle` why it cannot be kept at all ("" when it can)."""

    __slots__ = ("has_user", "obstacle", "permissions", "tags", "ttl_s")

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.has_user = False
        self.permissions: dict[str, bool] = {}
        self.ttl_s: float | None = None
        self.obstacle = ""

    def note_tags(self, *tags: str) -> None:
        self.tags.update(tags)

    def note_user(self) -> None:
        self.has_user = True

    def note_permission(self, permission: str, granted: bool) -> None:
        self.permissions[permission] = granted

    def note_life(self, ttl_s: float) -> None:
        """The answer depends on the time, and is good for that long."""
        self.ttl_s = ttl_s if self.ttl_s is None else min(self.ttl_s, ttl_s)

    def note_obstacle(self, reason: str) -> None:
        """The answer is not to be kept: a side effect, chance, or something that only this request knows."""
        self.obstacle = self.obstacle or reason

    def merge(self, other: Self) -> None:
        """What the other one learned came to this one."""
        self.tags |= other.tags
        self.has_user = self.has_user or other.has_user
        self.permissions.update(other.permissions)
        if other.ttl_s is not None:
            self.note_life(other.ttl_s)
        self.note_obstacle(other.obstacle)

    def answers_same(self, permissions: Mapping[str, bool]) -> bool:
        """Whether somebody for whom these permissions were said would have been told the same."""
        return all(permissions.get(name) == granted for name, granted in self.permissions.items())

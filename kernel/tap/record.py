"""What an answer of a plugin depends on, written down while the plugin asks for it.

A plugin knows of the world only what the kernel told it. So whoever notes each thing that it was told knows when the
same question would be answered the same.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Self

from kernel.names import EVERYTHING

# What tags stand for, by what comes before the colon.
_KINDS: Final[Mapping[str, str]] = {
    "cache": "values that the plugin keeps in its cache",
    "item": "items",
    "plugins": "which plugins are enabled",
    "table": "tables",
    "user": "accounts",
    "variable": "variables",
}
_NAMED_MAX: Final = 5


class Record:
    """Belongs to one instance, whose memory may carry what an earlier tap of the same request learned: it only grows.

    `tags` are cache tags of the data read. `has_user` says that the answer is one user's alone, `permissions` which
    ones were asked about and what was said, `places` which pages' addresses were told. `ttl_s` is how long the answer
    can be true (None: until a tag is dropped), `obstacle` why it cannot be kept at all ("" when it can)."""

    __slots__ = ("has_user", "obstacle", "permissions", "places", "tags", "ttl_s")

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.has_user = False
        self.permissions: dict[str, bool] = {}
        self.places: set[str] = set()
        self.ttl_s: float | None = None
        self.obstacle = ""

    def note_tags(self, *tags: str) -> None:
        self.tags.update(tags)

    def note_user(self) -> None:
        self.has_user = True

    def note_permission(self, permission: str, granted: bool) -> None:
        self.permissions[permission] = granted

    def note_place(self, place: str) -> None:
        """The payload told the address of a page, with what stands in it."""
        self.places.add(place)

    def note_life(self, ttl_s: float) -> None:
        """The answer depends on the time, and is good for that long."""
        self.ttl_s = ttl_s if self.ttl_s is None else min(self.ttl_s, ttl_s)

    def note_obstacle(self, reason: str) -> None:
        """The answer is not to be kept: a side effect, chance, or something that only this request knows. The reason
        completes "It is not kept: "."""
        self.obstacle = self.obstacle or reason

    def merge(self, other: Self) -> None:
        """What the other one learned came to this one."""
        self.tags |= other.tags
        self.has_user = self.has_user or other.has_user
        self.permissions.update(other.permissions)
        self.places |= other.places
        if other.ttl_s is not None:
            self.note_life(other.ttl_s)
        self.note_obstacle(other.obstacle)

    def copy(self) -> Self:
        """As it is now; the instance goes on to learn."""
        copied = type(self)()
        copied.merge(self)
        return copied

    def describe(self) -> list[str]:
        """For people, each a sentence: what the answer depends on, and why it is not kept where it is not."""
        sentences = [f"It is not kept: {self.obstacle}."] if self.obstacle else []
        if self.has_user:
            sentences.append("It is this user's alone.")
        sentences += [_describe_permission(*asked) for asked in sorted(self.permissions.items())]
        if self.ttl_s is not None:
            sentences.append(f"It depends on the time, and is made again after {max(self.ttl_s, 0):.0f} s.")
        sentences += _describe_tags(self.tags)
        return sentences or ["It depends on nothing that can change."]


def _describe_permission(name: str, granted: bool) -> str:  # as it stands in a record
    if name == EVERYTHING:
        return (
            f"It depends on whether the user is an administrator, and this one is{'' if granted else ' not'}."
        )
    return f"It depends on the permission “{name}”, which the user {'has' if granted else 'does not have'}."


def _describe_tags(tags: Iterable[str]) -> list[str]:
    """One sentence for each kind of data."""
    kinds: dict[str, list[str]] = {}
    for tag in sorted(tags):
        kind, _, name = tag.partition(":")
        kinds.setdefault(kind, []).append(name)
    return [_describe_kind(kind, names) for kind, names in kinds.items()]


def _describe_kind(kind: str, names: list[str]) -> str:
    named = ", ".join(names[:_NAMED_MAX])
    if len(names) > _NAMED_MAX:
        named += f" and {len(names) - _NAMED_MAX} more"
    what = _KINDS.get(kind, f"what the tag {kind} stands for")
    return f"It depends on {what}{f': {named}' if named else ''}."

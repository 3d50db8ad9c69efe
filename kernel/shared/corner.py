"""How much of the cache somebody may fill who cannot be trusted to leave room for others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Corner:
    """A part of the tier in Redis that may hold so much and no more: what was put there first goes first. What is not
    valid any more counts until it goes."""

    name: str
    max_entries: int
    max_bytes: int

"""When people were last seen: noted in Redis as their sessions are used, until cron takes it into the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from kernel.shared.connection import Script, Shared

# A sorted set of the ids of people, each scored with the milliseconds at which they were last seen. The sessions add to
# it (kernel/shared/session_scripts.py) where they note a use, which is every few minutes.
SEEN_KEY: Final = ("people-seen",)

# KEYS: people by when they were last seen. ARGV: how many. Those who were seen longest ago first.
_LIST: Final = "return redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')"

# KEYS: as above. ARGV: person and score in turns. Who was seen again meanwhile stays.
_DROP: Final = """
for at = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if score and tonumber(score) == tonumber(ARGV[at + 1]) then redis.call('ZREM', KEYS[1], ARGV[at]) end
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """`score` is the time as Redis has it."""

    user_id: UUID
    score: bytes

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(float(self.score) / 1000, UTC)


class Sightings:
    """Every method raises Unavailable."""

    def __init__(self, shared: Shared) -> None:
        self._key = shared.key(*SEEN_KEY)
        self._list = Script(shared, _LIST)
        self._drop = Script(shared, _DROP)

    async def list_oldest(self, limit: int) -> list[Sighting]:
        parts = await self._list.run([self._key], [limit])
        return [
            Sighting(UUID(person.decode()), score)
            for person, score in zip(parts[::2], parts[1::2], strict=True)
        ]

    async def drop(self, sightings: Sequence[Sighting]) -> None:
        """Once they are where they last."""
        arguments: list[str | bytes | int] = []
        for sighting in sightings:
            arguments += [str(sighting.user_id), sighting.score]
        await self._drop.run([self._key], arguments)

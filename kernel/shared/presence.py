"""Which processes of the site are alive, and which of them have said that they are ready for something."""

from typing import Final
from uuid import uuid4

from kernel.shared.connection import Script, Shared

# A process that has not been heard of for this long is not waited for.
ALIVE_S: Final = 10.0
# Longer than anybody waits for the others.
_READY_S: Final = 300

# KEYS: processes by the time at which they were last heard of. ARGV: own id, seconds of silence.
_BEAT: Final = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2] - 1)
redis.call('EXPIRE', KEYS[1], 600)
return 0
"""

# KEYS: processes. ARGV: own id.
_LEAVE: Final = "return redis.call('ZREM', KEYS[1], ARGV[1])"

# KEYS: those that are ready. ARGV: own id, seconds to keep it.
_MARK: Final = """
redis.call('SADD', KEYS[1], ARGV[1])
return redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

# KEYS: processes, those that are ready. ARGV: seconds of silence.
_MISSING: Final = """
local now = tonumber(redis.call('TIME')[1])
local missing = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[1], '+inf')) do
  if redis.call('SISMEMBER', KEYS[2], id) == 0 then missing = missing + 1 end
end
return missing
"""


class Presence:
    """Of this process. Every method raises Unavailable."""

    def __init__(self, shared: Shared) -> None:
        self.id = uuid4().hex
        self._shared = shared
        self._processes = shared.key("processes")
        self._beat = Script(shared, _BEAT)
        self._leave = Script(shared, _LEAVE)
        self._mark = Script(shared, _MARK)
        self._missing = Script(shared, _MISSING)

    async def beat(self) -> None:
        """To be called more often than every `ALIVE_S`."""
        await self._beat.run([self._processes], [self.id, int(ALIVE_S)])

    async def leave(self) -> None:
        await self._leave.run([self._processes], [self.id])

    async def mark_ready(self, topic: str) -> None:
        await self._mark.run([self._shared.key("ready", topic)], [self.id, _READY_S])

    async def count_missing(self, topic: str) -> int:
        """How many processes are alive and have not marked themselves ready."""
        keys = [self._processes, self._shared.key("ready", topic)]
        return int(await self._missing.run(keys, [int(ALIVE_S)]))

"""Locks across processes: whoever holds one has its token, a time limit, and a number that only grows.

A lock in Redis can be lost: the holder may pause for longer than the limit. It keeps two workers from doing
the same work twice; what must not happen twice is guarded where it is written, by comparing the fence.
"""

import secrets
from dataclasses import dataclass

from kernel.shared.connection import Script, Shared

# KEYS: lock, fence. ARGV: token, ms to live. Taking it again with the same token succeeds, because the answer
# to the first try may have been lost. The fence follows the clock, so that it goes on growing after a flush.
_ACQUIRE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local fence = math.max(now, tonumber(redis.call('GET', KEYS[2]) or 0) + 1)
redis.call('SET', KEYS[2], string.format('%.0f', fence), 'PX', 86400000)
return string.format('%.0f', fence)
"""

# KEYS: lock. ARGV: token, ms to live.
_EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# KEYS: lock. ARGV: token.
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that was held when this was made. Of two holders the later has the larger `fence`."""

    name: str
    token: str
    fence: int


class Locks:
    """Every method raises Unavailable: who cannot know whether it holds a lock does not."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._acquire = Script(shared, _ACQUIRE)
        self._extend = Script(shared, _EXTEND)
        self._release = Script(shared, _RELEASE)

    async def acquire(self, name: str, ttl_s: float) -> Lock | None:
        """At once or not at all; it ends by itself after `ttl_s` unless it is extended."""
        token = secrets.token_hex(16)
        keys = [self._shared.key("lock", name), self._shared.key("fence", name)]
        fence = await self._acquire.run(keys, [token, _millis(ttl_s)])
        return Lock(name, token, int(fence)) if fence is not None else None

    async def extend(self, lock: Lock, ttl_s: float) -> bool:
        """False when it is no longer held; whoever worked under it has to stop."""
        return bool(
            await self._extend.run([self._shared.key("lock", lock.name)], [lock.token, _millis(ttl_s)])
        )

    async def release(self, lock: Lock) -> bool:
        """False when it had ended before."""
        return bool(await self._release.run([self._shared.key("lock", lock.name)], [lock.token]))


def _millis(ttl_s: float) -> int:
    return max(1, int(ttl_s * 1000))

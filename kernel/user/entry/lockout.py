"""Counts failed logins in Redis, and after too many refuses further ones for a while.

Each attempt is counted in two places, under the account and under the client's network; one from a device from which
its person has logged in before is counted under that device alone. So nobody else's failures keep that person out, and
a stranger is stopped whether he tries one name from everywhere or every name from one place. A name that does not
exist is counted in the same way.

An attempt counts from its beginning, so that a hundred at the same moment are not a hundred guesses.
"""

import hashlib
import math
import secrets
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Final, Literal
from uuid import UUID

from kernel.errors import TooMany
from kernel.log import get_logger
from kernel.shared.connection import Script, Shared

log = get_logger(__name__)

FAILURES_MAX: Final = 5
WINDOW_MS: Final = 900_000
LOCK_MS: Final = 900_000
# Of one account or device, and of one network: there several people may come at the same moment.
PENDING_MAX: Final = (FAILURES_MAX, 4 * FAILURES_MAX)
# A process that stopped in between has failed nobody.
PENDING_MS: Final = 30_000
# Whoever has one address of IPv6 has all of its network.
IPV6_PREFIX: Final = 64
# All of IPv4 in one such network, as NAT64 writes it (RFC 6052).
TRANSLATED: Final = IPv6Network("64:ff9b::/96")
IPV4_BITS: Final = 2**32 - 1

# A counter is a sorted set of attempts by time, `p:` those under way and `f:` those that failed, and a lock beside it.
# KEYS: counter and lock of each. ARGV[1] is the window in ms, ARGV[2] how long an attempt may be under way.
_COUNTER: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local window = tonumber(ARGV[1])

-- How many have failed, how many are under way, and when the first of both leaves.
local function count(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local failed, pending, leaves = 0, 0, window
  local rows = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #rows, 2 do
    local age = now - tonumber(rows[i + 1])
    if string.sub(rows[i], 1, 2) == 'f:' then
      failed = failed + 1
      leaves = math.min(leaves, window - age)
    elseif age > tonumber(ARGV[2]) then
      redis.call('ZREM', key, rows[i])
    else
      pending = pending + 1
      leaves = math.min(leaves, tonumber(ARGV[2]) - age)
    end
  end
  return failed, pending, leaves
end
"""

# ARGV[3] is the attempt, ARGV[4] the most failures, then for each counter the most attempts. Answers how many ms to
# wait, 0 when the attempt may go on.
_BEGIN: Final = (
    _COUNTER
    + """
local wait = 0
for i = 1, #KEYS, 2 do
  wait = math.max(wait, redis.call('PTTL', KEYS[i + 1]))
  local failed, pending, leaves = count(KEYS[i])
  if failed >= tonumber(ARGV[4]) or failed + pending >= tonumber(ARGV[4 + (i + 1) / 2]) then
    wait = math.max(wait, leaves, 1)
  end
end
if wait > 0 then return wait end
for i = 1, #KEYS, 2 do
  redis.call('ZADD', KEYS[i], now, 'p:' .. ARGV[3])
  redis.call('PEXPIRE', KEYS[i], window)
end
return 0
"""
)

# ARGV[3] is the attempt, ARGV[4] the most failures, ARGV[5] how long a lock holds. Answers how many counters it locked.
_FAIL: Final = (
    _COUNTER
    + """
local locked = 0
for i = 1, #KEYS, 2 do
  redis.call('ZREM', KEYS[i], 'p:' .. ARGV[3])
  redis.call('ZADD', KEYS[i], now, 'f:' .. ARGV[3])
  redis.call('PEXPIRE', KEYS[i], window)
  if count(KEYS[i]) >= tonumber(ARGV[4]) then
    redis.call('SET', KEYS[i + 1], '1', 'PX', ARGV[5])
    redis.call('DEL', KEYS[i])
    locked = locked + 1
  end
end
return locked
"""
)

# ARGV[1] is the attempt, ARGV[2] what the attempts of this account begin with, ARGV[3] '1' when nothing is forgotten.
# The counter of the account or device is the first and is forgotten as a whole; of a network only what this account
# failed there, else whoever has an account could guess at others for ever.
_END: Final = """
for i = 1, #KEYS, 2 do
  redis.call('ZREM', KEYS[i], 'p:' .. ARGV[1])
  if ARGV[3] == '0' and i == 1 then
    redis.call('DEL', KEYS[1], KEYS[2])
  elseif ARGV[3] == '0' then
    for _, member in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
      if string.sub(member, 1, 2 + #ARGV[2]) == 'f:' .. ARGV[2] then redis.call('ZREM', KEYS[i], member) end
    end
  end
end
return 1
"""


class Locked(TooMany):
    """Nobody is let in this way for `wait_s` seconds, whatever the password."""

    code = "locked"

    def __init__(self, wait_s: int) -> None:
        minutes = math.ceil(wait_s / 60)
        when = "in a minute" if minutes <= 1 else f"in {minutes} minutes"
        super().__init__(f"Account temporarily locked after too many failed attempts. Try again {when}.")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login under way. `name` begins with `account`, a digest; `places` are the counters it stands in."""

    name: str
    account: str
    places: tuple[str, ...]


def build_attempt(*, user_id: UUID | None, name: str, address: str, device: str | None) -> Attempt:
    """`device` is the id of one that is known for the account. A name that nobody has is counted in the same way."""
    account = _digest(str(user_id) if user_id is not None else f"name {name.lower()[:200]}")
    places = (
        (f"device:{_digest(device)}:{account}",)
        if device is not None
        else (
            f"account:{account}",
            f"network:{find_network(address)}",
        )
    )
    return Attempt(f"{account}:{secrets.token_hex(8)}", account, places)


def build_own_attempt(user_id: UUID, what: Literal["password", "code"]) -> Attempt:
    """Of somebody who is logged in and shows the password or a code again; no business of those who try to log in. Each
    is counted for itself: the right password must not take back what was counted of wrong codes."""
    account = _digest(str(user_id))
    return Attempt(
        f"{account}:{what}:{secrets.token_hex(8)}", f"{account}:{what}", (f"own:{what}:{account}",)
    )


def find_network(address: str) -> str:
    """What counts as one place: an IPv4 address, also one that is written inside an IPv6 address, was translated into
    one or gave a network of them its number, and else the network of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None or parsed in TRANSLATED:
        return str(IPv4Address(int(parsed) & IPV4_BITS))
    if parsed.sixtofour is not None:
        return str(parsed.sixtofour)
    # By the number: the name of a network card behind the address is no other place.
    return str(IPv6Network((int(parsed), IPV6_PREFIX), strict=False))


async def begin_attempt(shared: Shared, attempt: Attempt) -> None:
    """Raises Locked; Unavailable when Redis is away, since what cannot be counted is not let through."""
    wait_ms = await Script(shared, _BEGIN).run(
        _keys(shared, attempt), [WINDOW_MS, PENDING_MS, attempt.name, FAILURES_MAX, *PENDING_MAX]
    )
    if wait_ms > 0:
        raise Locked(math.ceil(wait_ms / 1000))


async def fail_attempt(shared: Shared, attempt: Attempt) -> None:
    """Raises Unavailable."""
    locked = await Script(shared, _FAIL).run(
        _keys(shared, attempt), [WINDOW_MS, PENDING_MS, attempt.name, FAILURES_MAX, LOCK_MS]
    )
    if locked:
        log.warning("too many failed logins: locked for a while", places=list(attempt.places))


async def pass_attempt(shared: Shared, attempt: Attempt, *, is_whole: bool = True) -> None:
    """It was right. Earlier failures are forgotten once the login is whole, and not while a code is still asked for:
    whoever has the password could else guess codes for ever. Raises Unavailable."""
    await Script(shared, _END).run(
        _keys(shared, attempt), [attempt.name, f"{attempt.account}:", "0" if is_whole else "1"]
    )


def _keys(shared: Shared, attempt: Attempt) -> list[str]:
    return [shared.key("login", kind, place) for place in attempt.places for kind in ("failures", "lock")]


def _digest(text: str) -> str:
    """Names are not kept: people type their passwords there."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]

"""Sliding windows in Redis: how often somebody may do something, counted over every process of the site.

Each window keeps the moments of the requests that it let in, newest first and never more than it allows, so that it
is exact: in no stretch of time that is as long as the window does it let in more, and it can say when the next one
may come. Counters for fixed stretches take less room, but let in twice as much at their borders, or too little when
they are weighted; of the limits that people meet, of 5 or 30, either would be felt. What is refused is not counted
against anybody: who waits is let in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kernel.shared.connection import Script, Shared

# A window keeps eight bytes or so for each request it let in.
REQUESTS_MAX: Final = 10_000
# Different refusals in one tally; those beyond are counted together.
REFUSALS_MAX: Final = 5_000
OTHERS: Final = "others"

# Of a tally, how long it is kept in ms, its largest size, the name of what is beyond it, and what was refused.
_COUNT: Final = """
local function count(tally, keep_ms, most, others, refused)
  if redis.call('HEXISTS', tally, refused) == 0 and redis.call('HLEN', tally) >= tonumber(most) then
    refused = others
  end
  redis.call('HINCRBY', tally, refused, 1)
  redis.call('PEXPIRE', tally, keep_ms)
end
"""

# KEYS: a log for each window, then the tally of refusals. ARGV: ms to keep the tally, its largest size, the name of
# what is beyond it; then for each window how many it allows, its ms, and what the tally calls a refusal by it.
# Answers for each window what is left, the ms until more is, and the ms to wait (0: let in).
_TAKE: Final = (
    _COUNT
    + """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer, refused = {}, nil
for at = 1, #KEYS - 1 do
  local key, most, span = KEYS[at], tonumber(ARGV[1 + 3 * at]), tonumber(ARGV[2 + 3 * at])
  local used, high = 0, math.min(redis.call('LLEN', key), most)
  while used < high do
    local middle = math.floor((used + high) / 2)
    if tonumber(redis.call('LINDEX', key, middle)) > now - span then used = middle + 1 else high = middle end
  end
  local oldest = used > 0 and tonumber(redis.call('LINDEX', key, used - 1)) or now
  local wait = used >= most and math.max(1, oldest + span - now) or 0
  if wait > 0 and not refused then refused = ARGV[3 + 3 * at] end
  answer[#answer + 1] = most - used
  answer[#answer + 1] = oldest + span - now
  answer[#answer + 1] = wait
end
if refused then
  count(KEYS[#KEYS], ARGV[1], ARGV[2], ARGV[3], refused)
  return answer
end
for at = 1, #KEYS - 1 do
  redis.call('LPUSH', KEYS[at], string.format('%.0f', now))
  redis.call('LTRIM', KEYS[at], 0, tonumber(ARGV[1 + 3 * at]) - 1)
  redis.call('PEXPIRE', KEYS[at], ARGV[2 + 3 * at])
  answer[3 * at - 2] = answer[3 * at - 2] - 1
end
return answer
"""
)

# KEYS: the tally, then a mark for each place. ARGV: as `count` takes them, then the ms that a mark stands. Answers 1
# where no place had its mark, which all of them have then.
_NOTE: Final = (
    _COUNT
    + """
count(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
for at = 2, #KEYS do
  if redis.call('EXISTS', KEYS[at]) == 1 then return 0 end
end
for at = 2, #KEYS do redis.call('SET', KEYS[at], '1', 'PX', ARGV[5]) end
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Window:
    """`who` may do `requests` of what `name` stands for in each stretch of `window_s`; `refusal` is what a refusal by
    it is counted under."""

    name: str
    who: str
    requests: int
    window_s: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What `window` has left; more in `reset_s`. With `wait_s` the request is refused, and may come after that."""

    window: Window
    remaining: int
    reset_s: float
    wait_s: float


class RateLimits:
    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._take = Script(shared, _TAKE)
        self._note = Script(shared, _NOTE)

    async def take(self, windows: Sequence[Window], *, tally: str, keep_tally_s: int) -> list[Share]:
        """One request of all these windows, or of none when one of them is used up: in one round trip. A refusal is
        counted in the tally of that name (kernel.shared.tally), as one by the first such window. Raises Unavailable."""
        keys = [self._shared.key("rate", window.name, window.who) for window in windows]
        arguments: list[str | bytes | int] = [keep_tally_s * 1000, REFUSALS_MAX, OTHERS]
        for window in windows:
            arguments += [window.requests, window.window_s * 1000, window.refusal]
        numbers = await self._take.run([*keys, self._shared.key("tally", tally)], arguments)
        return [
            Share(window, int(remaining), int(reset_ms) / 1000, int(wait_ms) / 1000)
            for window, remaining, reset_ms, wait_ms in zip(
                windows, numbers[::3], numbers[1::3], numbers[2::3], strict=True
            )
        ]

    async def note_refusal(
        self, refusal: str, places: Sequence[str], *, once_in_s: int, tally: str, keep_tally_s: int
    ) -> bool:
        """Counts what something else has refused in the same tally. Whether it is to be told as well, which of each of
        the places is done once in that time, however many there are. Raises Unavailable."""
        keys = [self._shared.key("tally", tally), *(self._shared.key("refused", place) for place in places)]
        tally_of: list[str | bytes | int] = [keep_tally_s * 1000, REFUSALS_MAX, OTHERS]
        return bool(await self._note.run(keys, [*tally_of, refusal, once_in_s * 1000]))


def find_refusal(shares: Sequence[Share]) -> Share | None:
    """The one that makes the requester wait longest, if any does."""
    return max((share for share in shares if share.wait_s), key=lambda share: share.wait_s, default=None)


def describe_shares(shares: Sequence[Share]) -> Mapping[str, str]:
    """The header fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11)."""
    return {
        "RateLimit-Policy": ", ".join(
            f'"{share.window.name}";q={share.window.requests};w={share.window.window_s}' for share in shares
        ),
        "RateLimit": ", ".join(
            f'"{share.window.name}";r={share.remaining};t={-int(-share.reset_s // 1)}' for share in shares
        ),
    }

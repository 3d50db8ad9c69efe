"""Numbers to which every process adds: in Redis, where a loss costs a statistic and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Final

from kernel.shared.connection import Script, Shared

# KEYS: the tally. ARGV: seconds to keep it, then field and number in turns.
_ADD: Final = """
for at = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1]) end
return redis.call('EXPIRE', KEYS[1], ARGV[1])
"""

# KEYS: tallies. Answers the fields and numbers of all of them, in turns.
_READ: Final = """
local found = {}
for _, key in ipairs(KEYS) do
  for _, part in ipairs(redis.call('HGETALL', key)) do found[#found + 1] = part end
end
return found
"""


class Tallies:
    """Every method raises Unavailable."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._add = Script(shared, _ADD)
        self._read = Script(shared, _READ)

    async def add(self, name: str, numbers: Mapping[str, int], ttl_s: int) -> None:
        arguments: list[str | bytes | int] = [ttl_s]
        for field, number in numbers.items():
            arguments += [field, number]
        await self._add.run([self._shared.key("tally", name)], arguments)

    async def read(self, names: Sequence[str]) -> dict[str, int]:
        """The sums over all of them."""
        parts = await self._read.run([self._shared.key("tally", name) for name in names], [])
        sums: dict[str, int] = {}
        for field, number in zip(parts[::2], parts[1::2], strict=True):
            key = field.decode()
            sums[key] = sums.get(key, 0) + int(number)
        return sums

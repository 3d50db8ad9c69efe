"""The two-tier cache: a bounded LRU in each process over Redis, entries with tags, coherent between
processes.

How it stays coherent. Every drop of tags takes a new, ever growing generation number from Redis. An entry
carries the generation that was known *before* its data was read, and is valid while none of its tags was
dropped at a later one. A slow reader therefore cannot store what was dropped while it read: its generation is
too old, in both tiers.

- Redis compares at each get and put, in the script that does it (kernel.shared.cache_scripts).
- A process compares by what it has heard (kernel.shared.drops): by message at once; by asking for the
  generation twice a second, which finds lost messages; and by `observe`, with the generation that came along
  with the visitor's session, before an authenticated request reads anything. A message says which generation
  preceded it, so a gap is seen and `known` never runs ahead of what was applied.
- Local entries are not served when the last answer to such a question is more than a second old.
- A new epoch (Redis was flushed, restarted, or fell back to an older state) makes everything older worthless.

What the caller owes: call `generation()` before the snapshot is opened that the data is read from, and `drop`
after the commit that changed it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from kernel.errors import Unavailable
from kernel.log import get_logger
from kernel.metrics import Metrics
from kernel.names import LIVE
from kernel.shared.bus import CONNECTED, Bus
from kernel.shared.cache_scripts import DROP, DROP_TOPIC, GET, POLL, PUT, STATE_KEY
from kernel.shared.connection import AWAY, Script, Shared, unavailable
from kernel.shared.corner import Corner
from kernel.shared.drops import Drops, short_name, short_names
from kernel.shared.local import LocalTier

T = TypeVar("T")

log = get_logger(__name__)

# The promise to visitors: no page older than this, even with every message lost or Redis gone.
STALE_AFTER_S = 1.0
LOCAL_BYTES = 32 * 1024 * 1024
# A value that depends on more tags than this is not worth keeping: something in it always changes.
MAX_TAGS = 500
# Tags per drop script, and drops listed to somebody who was away; beyond, that process starts over.
DROP_CHUNK = 500
MAX_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Built:
    """A value for `get_or_build`, with the tags of everything that was read for it."""

    value: bytes
    tags: Collection[str]


@dataclass(frozen=True, slots=True)
class SharedEntry:
    """A valid entry of the tier in Redis; `ttl_s` is what is left of its life."""

    value: bytes
    tags: tuple[str, ...]
    generation: int
    ttl_s: float


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry for the tier in Redis. `tags` are short names."""

    key: str
    value: bytes
    tags: Collection[str]
    ttl_s: float


def stage_key(stage_id: str, key: str) -> str:
    """Keep previews apart: the key of a stage has a prefix, that of live has none."""
    return key if stage_id == LIVE else f"stage:{stage_id}:{key}"


class Cache:
    """The tiers of one process. `drops` is for further local tiers that are to be kept coherent with it,
    `metrics` for whoever counts in the same process."""

    def __init__(
        self, shared: Shared, bus: Bus, metrics: Metrics, *, max_entries: int, max_ttl_s: float, poll_s: float
    ) -> None:
        self.drops = Drops()
        self.metrics = metrics
        self._shared = shared
        self._bus = bus
        self._max_ttl_s = max_ttl_s
        self._poll_s = poll_s
        self._local = LocalTier(self.drops, max_entries=max_entries, max_bytes=LOCAL_BYTES)
        self._state = shared.key(*STATE_KEY)
        self._poll_script = Script(shared, POLL)
        self._drop_script = Script(shared, DROP)
        self._get_script = Script(shared, GET)
        self._put_script = Script(shared, PUT)
        # The id of the running Redis server; "" means to ask for it again, because it may be another one.
        self._run = ""
        self._is_away = False
        self._wake = asyncio.Event()
        self._catching_up = asyncio.Lock()
        self._building: dict[str, tuple[int, asyncio.Future[bytes | None]]] = {}
        self._unsubscribe: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow the drops of all processes, until `close`. With Redis away it begins when Redis is back."""
        self._unsubscribe = [
            self._bus.subscribe(DROP_TOPIC, self._hear_drop),
            self._bus.subscribe(CONNECTED, self._hear_connected),
        ]
        await self.refresh()
        self._task = asyncio.create_task(self._poll_for_ever(), name="cache poll")

    async def close(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def generation(self) -> int:
        """To be called before the data is read that will be stored with it."""
        return self.drops.known

    async def get(self, key: str) -> bytes | None:
        """From this process, else from Redis in one round trip. None also while Redis is away."""
        local = self._get_here(key)
        return local if local is not None else await self._get_shared(key)

    def _get_here(self, key: str) -> bytes | None:
        local = self._local.get("shared:" + key)
        self.metrics.count_lookup("local", local is not None)
        return cast("bytes | None", local)

    async def _get_shared(self, key: str) -> bytes | None:
        entry = await self.fetch(key)
        if entry is None:
            return None
        self._local.put(
            "shared:" + key,
            entry.value,
            entry.tags,
            entry.ttl_s,
            entry.generation,
            size_bytes=len(entry.value),
        )
        return entry.value

    async def put(self, key: str, value: bytes, tags: Collection[str], ttl_s: float, generation: int) -> None:
        """Keep in both tiers, unless a tag was dropped since `generation`. Redis being away is no error
        here."""
        ttl_s = min(ttl_s, self._max_ttl_s)
        tags = short_names(tags)
        if await self.store(key, value, tags, ttl_s, generation):
            self._local.put("shared:" + key, value, tags, ttl_s, generation, size_bytes=len(value))

    async def fetch(self, key: str) -> SharedEntry | None:
        """From Redis alone, for callers with a local tier of their own."""
        return (await self.fetch_many([key]))[0]

    async def fetch_many(self, keys: Sequence[str]) -> list[SharedEntry | None]:
        """As fetch, in one round trip; in the order of the keys, of which there are as many as one page needs."""
        if self._is_away or not keys:
            return [None] * len(keys)
        entry_keys = [self._entry_key(key) for key in keys]
        try:
            answers = await self._get_script.run([self._state, *entry_keys], [self.drops.known])
        except Unavailable as error:
            self._note_away(error)
            return [None] * len(keys)
        entries = [_read_entry(answer) for answer in answers]
        for entry in entries:
            self.metrics.count_lookup("shared", entry is not None)
        return entries

    async def store(
        self, key: str, value: bytes, tags: Collection[str], ttl_s: float, generation: int
    ) -> bool:
        """Into Redis alone; False when it was refused or Redis is away. `tags` are short names."""
        return await self.store_many([NewEntry(key, value, tags, ttl_s)], generation) == 1

    async def store_many(
        self, entries: Sequence[NewEntry], generation: int, corner: Corner | None = None
    ) -> int:
        """As store, in one round trip; how many were kept."""
        worthy = [entry for entry in entries if int(entry.ttl_s * 1000) > 0 and len(entry.tags) <= MAX_TAGS]
        if self._is_away or not worthy:
            return 0
        arguments: list[str | bytes | int] = [generation, int(self._max_ttl_s * 1_000_000), len(worthy)]
        for entry in worthy:
            ttl_ms = int(min(entry.ttl_s, self._max_ttl_s) * 1000)
            arguments += [" ".join(entry.tags), ttl_ms, entry.value]
        keys = [self._state, *(self._entry_key(entry.key) for entry in worthy)]
        if corner is not None:
            keys += [self._shared.key("cache", part, corner.name) for part in ("listed", "sizes")]
            arguments += [corner.max_entries, corner.max_bytes]
        try:
            return sum(await self._put_script.run(keys, arguments))
        except Unavailable as error:
            self._note_away(error)
            return 0

    async def drop(self, tags: Collection[str]) -> None:
        """Make every entry with one of these tags invalid, here before this returns, elsewhere by message.
        Raises Unavailable; then nobody may have heard of it, and the drop has to be repeated."""
        names = short_names(tags)
        for start in range(0, len(names), DROP_CHUNK):
            known = self.drops.known
            arguments: list[str | bytes | int] = [
                known,
                self._run,
                MAX_LISTED,
                self._bus.channel,
                int(self._max_ttl_s * 2_000_000),
                " ".join(names[start : start + DROP_CHUNK]),
            ]
            try:
                answer = await self._drop_script.run([self._state], arguments)
            except Unavailable as error:
                self._note_away(error)
                raise
            self._apply_answer(known, answer)

    async def observe(self, generation: int) -> None:
        """Catch up with a generation that somebody else has seen, before anything is read on their behalf."""
        if generation <= self.drops.known:
            return
        async with self._catching_up:
            if generation > self.drops.known and not await self._poll():
                # What cannot be verified is not served: the request reads the database instead.
                self.drops.fresh_until = 0.0

    async def refresh(self) -> None:
        """Catch up with every drop until now, for a request that carries no generation (an API token)."""
        if not await self._poll():
            self.drops.fresh_until = 0.0

    def get_local(self, key: str) -> object | None:
        """Of this process alone: decoded objects, immutable or treated as such."""
        value = self._local.get("local:" + key)
        self.metrics.count_lookup("local", value is not None)
        return value

    def put_local(
        self,
        key: str,
        value: object,
        tags: Collection[str],
        ttl_s: float,
        generation: int,
        *,
        size_bytes: int = 1_000,
    ) -> None:
        """`size_bytes` is an estimate of what the object takes. Refused when a tag was dropped since
        `generation`."""
        ttl_s = min(ttl_s, self._max_ttl_s)
        self._local.put("local:" + key, value, short_names(tags), ttl_s, generation, size_bytes=size_bytes)

    async def remember(
        self, key: str, tags: Collection[str], ttl_s: float, load: Callable[[], Awaitable[T]]
    ) -> T:
        """The object that this process keeps under the key, else what `load` reads now; None is not kept."""
        kept = self.get_local(key)
        if kept is not None:
            return cast("T", kept)
        generation = self.generation()
        loaded = await load()
        if loaded is not None:
            self.put_local(key, loaded, tags, ttl_s, generation)
        return loaded

    async def get_or_build(self, key: str, build: Callable[[], Awaitable[Built]], ttl_s: float) -> bytes:
        """The cached value, or what `build` makes of current data; those who ask meanwhile share one build.

        A build that began before a drop is not shared with those who came after it. Its failure is
        everybody's.
        """
        while True:
            value = self._get_here(key)
            if value is not None:
                return value
            under_way = self._building.get(key)
            if under_way is None or under_way[0] < self.drops.known:
                return await self._find_or_build(key, build, ttl_s)
            # Shielded: one who leaves must not take the value from the others.
            value = await asyncio.shield(under_way[1])
            if value is not None:
                return value

    async def _find_or_build(self, key: str, build: Callable[[], Awaitable[Built]], ttl_s: float) -> bytes:
        """The lookup in Redis is shared as well: whose answer came late would else find the build over."""
        generation = self.drops.known
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._building[key] = (generation, future)
        try:
            found = await self._get_shared(key)
            if found is not None:
                future.set_result(found)
                return found
            built = await build()
            future.set_result(built.value)
            await self.put(key, built.value, built.tags, ttl_s, generation)
        except Exception as error:  # handed to everybody who waits, and to the caller
            if not future.done():
                future.set_exception(error)
                future.exception()  # retrieved, so that nobody waiting is no complaint
            raise
        else:
            return built.value
        finally:
            if not future.done():
                # Cancelled: nobody builds any more, one of those who wait has to.
                future.set_result(None)
            if self._building.get(key) == (generation, future):
                del self._building[key]

    async def _poll_for_ever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()
            self._wake.clear()
            await self._poll()

    async def _poll(self) -> bool:
        """Ask Redis for the drops since `known` and apply them; False when it does not answer."""
        asked_at = time.monotonic()
        known = self.drops.known
        is_new_server = not self._run
        try:
            run = self._run or await self._ask_run()
            answer = await self._poll_script.run([self._state], [known, run, int(is_new_server), MAX_LISTED])
        except Unavailable as error:
            self._note_away(error)
            return False
        self._run = run
        self._apply_answer(known, answer)
        self.drops.fresh_until = max(self.drops.fresh_until, asked_at + STALE_AFTER_S)
        if self._is_away:
            self._is_away = False
            log.info("the cache is in use again")
        return True

    async def _ask_run(self) -> str:
        try:
            server = await self._shared.client.info("server")
        except AWAY as error:
            raise unavailable(error) from error
        return str(server["run_id"])

    def _note_away(self, error: Unavailable) -> None:
        """From now on only the poll tries Redis, so that a server that hangs does not hold up every
        request."""
        self._run = ""
        if not self._is_away:
            self._is_away = True
            log.warning("the cache is out of use", error=error.detail)

    def _apply_answer(self, known: int, answer: list[Any]) -> None:
        epoch, generation, listed = int(answer[0]), int(answer[1]), answer[2]
        dropped = None
        if listed is not None:
            dropped = {
                tag.decode(): int(version) for tag, version in zip(listed[::2], listed[1::2], strict=True)
            }
        self.drops.apply(epoch, known, generation, dropped)

    def _hear_drop(self, message: dict[str, Any]) -> None:
        generation = int(message["generation"])
        dropped = dict.fromkeys(message["tags"].split(), generation)
        if not self.drops.apply(int(message["epoch"]), int(message["since"]), generation, dropped):
            self._wake.set()

    def _hear_connected(self, _message: dict[str, Any]) -> None:
        """Messages may have been lost, and the server may be another one."""
        self._run = ""
        self._wake.set()

    def _entry_key(self, key: str) -> str:
        return self._shared.key("cache", "entry", short_name(key))


def _read_entry(answer: list[Any] | None) -> SharedEntry | None:
    if answer is None:
        return None
    generation, ttl_ms, tags, value = answer
    return SharedEntry(value, tuple(tags.decode().split()), int(generation), max(ttl_ms, 0) / 1000)

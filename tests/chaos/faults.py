"""Does the damage of a plan at its seconds: kills, stops, empties, crashes; and delivers jobs over and over."""

import asyncio
import signal
from collections import Counter
from time import monotonic

import asyncpg

from kernel.db.connect import DISCONNECTED
from kernel.jobs import JOB_KINDS
from kernel.queue import Queue
from tests.chaos.plan import WORKER_SETTINGS

_LEASE_S = WORKER_SETTINGS["lease_s"]
_DUPLICATES_EVERY_S = 0.3
_DUPLICATES = 4
# How long a worker is tried to be caught in the middle of a save, and how long it is looked at each time.
_AIM_S = 15.0
_LOOK_S = 0.25
# After the takeover: long enough for an editor to be told, and to delete the item again.
_LINGER_S = 1.5


class Faults:
    """`counts` is what the report prints."""

    def __init__(self, plan, servers, fleet, counts: Counter, chance):
        self._plan = plan
        self._servers = servers
        self._fleet = fleet
        self._chance = chance
        self._postgres = asyncio.Lock()
        self._redis = asyncio.Lock()
        self._pause = asyncio.Lock()
        self.counts = counts
        # As (id, attempts) at that moment.
        self.cut_batches = set()

    async def inflict(self):
        """All faults of the plan; returns when the last one has been mended."""
        started = monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in self._plan.faults:
                await asyncio.sleep(max(0.0, started + fault.at_s - monotonic()))
                group.create_task(self._do(fault.kind), name=fault.kind)

    async def _do(self, kind):
        match kind:
            case "kill worker":
                self._kill(self._fleet.workers, "worker kills")
            case "kill all workers":
                await self._kill_in_mid_batch()
            case "kill web":
                self._kill(self._fleet.web, "web kills")
            case "aim":
                await self._pause_in_mid_save()
            case "pause worker":
                await self._pause_any(self._fleet.workers, "worker pauses")
            case "pause web":
                await self._pause_any(self._fleet.web, "web pauses")
            case "flush redis":
                async with self._redis:
                    await self._servers.flush_redis()
                self.counts["redis flushes"] += 1
            case "restart redis":
                async with self._redis:
                    await self._servers.kill_redis()
                    await asyncio.sleep(self._chance.uniform(0.0, 1.5))
                    await self._servers.start_redis()
                self.counts["redis restarts"] += 1
            case "restart postgres" | "crash postgres":
                is_crash = kind == "crash postgres"
                async with self._postgres:
                    await self._servers.stop_postgres(signal.SIGQUIT if is_crash else signal.SIGINT)
                    await asyncio.sleep(self._chance.uniform(0.0, 1.5))
                    await self._servers.start_postgres()
                self.counts["postgres crashes" if is_crash else "postgres stops"] += 1

    def _kill(self, members, name):
        running = [member for member in members if member.is_running]
        if running:
            self._chance.choice(running).kill()
            self.counts[name] += 1

    async def _kill_in_mid_batch(self):
        """As when the workers' machine dies: all of them at once, while a batch is between its first slice and its
        last."""
        give_up_at = monotonic() + _AIM_S
        begun = set()
        while not begun and monotonic() < give_up_at:
            await asyncio.sleep(_LOOK_S / 5)
            begun = await self._ask(
                "SELECT id, attempts FROM job WHERE status = 'running' AND kind = 'run_batch' AND progress_done > 0"
            )
        for member in self._fleet.workers:
            if member.is_running:
                member.kill()
                self.counts["worker kills"] += 1
        self.cut_batches |= begun

    async def _pause_any(self, members, name):
        async with self._pause:
            member = self._choose(members)
            if member is None:
                return
            member.pause()
            self.counts[name] += 1
            await asyncio.sleep(_LEASE_S * self._chance.uniform(1.2, 2.5))
            member.resume()

    def _choose(self, members):
        """One that runs while another one does, so that there is somebody to take over."""
        running = [
            member for member in members if member.is_running and member.is_ready and not member.is_paused
        ]
        return self._chance.choice(running) if len(running) > 1 else None

    async def _pause_in_mid_save(self):
        """Stop workers until one of them holds a save that it has claimed and not begun to write; then wait until
        another one has done it, and longer, before the first one goes on."""
        give_up_at = monotonic() + _AIM_S
        async with self._pause:
            while monotonic() < give_up_at:
                member = self._choose(self._fleet.workers)
                if member is None:
                    await asyncio.sleep(_LOOK_S)
                    continue
                member.pause()
                held = await self._find_held()
                taken_over = await self._await_takeover(held) if held else 0
                member.resume()
                if taken_over:
                    self.counts["pauses in the middle of a save"] += 1
                    self.counts["takeovers from a paused worker"] += taken_over
                    return
                await asyncio.sleep(self._chance.uniform(0.0, 0.1))

    async def _find_held(self):
        """Saves that stay claimed and unlocked while their worker stands still, as (id, attempts)."""
        first = await self._list_unlocked_saves()
        if not first:
            return set()
        await asyncio.sleep(_LOOK_S)
        return first & await self._list_unlocked_saves()

    async def _list_unlocked_saves(self):
        """A row that is locked belongs to a worker in its finishing transaction."""
        return await self._ask(
            "SELECT id, attempts FROM job WHERE status = 'running' AND kind = 'save_item' FOR UPDATE SKIP LOCKED"
        )

    async def _await_takeover(self, held):
        """How many of the held jobs somebody else has taken over."""
        give_up_at = monotonic() + 3 * _LEASE_S
        while monotonic() < give_up_at:
            await asyncio.sleep(0.1)
            still = await self._ask("SELECT id FROM job WHERE status IN ('running', 'queued')")
            if not {(job,) for job, _ in held} & still:
                break
        await asyncio.sleep(_LINGER_S)
        now = await self._ask("SELECT id, attempts FROM job WHERE id = ANY($1)", [job for job, _ in held])
        return len(now - held)

    async def _ask(self, sql, *values):
        """Rows as a set of tuples; empty while PostgreSQL is away."""
        try:
            async with asyncio.timeout(5.0):
                conn = await asyncpg.connect(self._servers.database_url)
                try:
                    return {tuple(row) for row in await conn.fetch(sql, *values)}
                finally:
                    await conn.close()
        except DISCONNECTED:
            return set()

    async def deliver_again(self, config, until):
        """Put jobs on the queue that are done, running or waiting: under the number of their last delivery and under
        others that the ledger never gave out."""
        queue = await Queue.open(config.redis_url, config.redis_prefix)
        try:
            while not until.is_set():
                rows = await self._ask("SELECT id, kind, deliveries FROM job ORDER BY created DESC LIMIT 120")
                for job_id, kind, number in self._chance.sample(sorted(rows), min(_DUPLICATES, len(rows))):
                    for delivery in (number, number + self._chance.randrange(1000, 1_000_000)):
                        if await queue.put(job_id, delivery, JOB_KINDS[kind]):
                            self.counts["duplicate deliveries"] += 1
                await asyncio.sleep(_DUPLICATES_EVERY_S)
        finally:
            await queue.close()

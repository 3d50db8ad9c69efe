"""A site whose batches are done in the test's own process, attempt by attempt, and what a test does to them."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import asyncpg
import orjson

from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import build_chunks
from kernel.batch.run import run_batch
from kernel.batch.start import start_batch
from kernel.batch.store import list_problems
from kernel.context import Actor, Context
from kernel.jobs import RUN_BATCH
from kernel.ledger.attempt import Attempts
from kernel.ledger.sweep import sweep
from kernel.user.account import create_user
from tests.fixtures.ledger import get_job, set_job


class BatchSite:
    """`ctx` is an administrator's."""

    def __init__(self, rt, ctx):
        self.rt = rt
        self.ctx = ctx
        self._attempts = Attempts(rt.ledger, {RUN_BATCH.name: (RUN_BATCH, partial(run_batch, rt))})

    async def start(self, operation, arguments, *, chunks=(), ctx=None):
        return await start_batch(self.rt, ctx or self.ctx, operation, arguments, chunks=chunks)

    async def attempt(self, job_id):
        """One attempt; the job after it."""
        await self._attempts.make(job_id)
        return await get_job(self.rt.ledger, job_id)

    async def run(self, operation, arguments, *, chunks=(), ctx=None):
        """To the end."""
        job = await self.attempt(await self.start(operation, arguments, chunks=chunks, ctx=ctx))
        while not job.is_finished:
            assert job.error is None, job.error
            job = await self.attempt(job.id)
        return job

    async def die(self, job_id, when):
        """An attempt whose process is gone as soon as `when()` returns."""
        attempt = asyncio.create_task(self.attempt(job_id))
        try:
            await when()
        finally:
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)

    async def give_up_lease(self, job_id):
        """Of an attempt that is gone, so that another can be made."""
        await set_job(self.rt.ledger, job_id, "lease_until = now() - interval '1 ms'")
        await sweep(self.rt.ledger)

    @asynccontextmanager
    async def holding(self, statement, *values):
        """Another transaction that holds what the statement locks, and is rolled back."""
        async with self.rt.db.acquire() as conn:
            transaction = conn.transaction()
            await transaction.start()
            await conn.execute(statement, *values)
            try:
                yield
            finally:
                await transaction.rollback()

    def holding_id(self, item_id):
        """Whoever inserts an item with this id waits."""
        return self.holding(
            "INSERT INTO item (id, current_revision_id, type, title, author_id) VALUES ($1, $1, 'note', '', $2)",
            UUID(item_id),
            self.ctx.actor.id,
        )

    async def until_waiting(self, statement):
        """Until one of this kind waits for a lock that another transaction holds. Asked as the tests' superuser: others
        are not told."""
        conn = await asyncpg.connect(self.rt.config.database_url)
        try:
            async with asyncio.timeout(8):
                while not await conn.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                    " AND wait_event_type = 'Lock' AND query ILIKE '%' || $1 || '%')",
                    statement,
                ):
                    await asyncio.sleep(0.005)
        finally:
            await conn.close()

    async def until_inserting(self):
        await self.until_waiting("INSERT INTO item ")

    async def titles(self):
        return [row["title"] for row in await self.fetch("SELECT title FROM item ORDER BY id")]

    async def import_lines(self, lines, *, ctx=None, **arguments):
        """Lines are texts, or what is written as JSON."""
        texts = [line if isinstance(line, str) else orjson.dumps(line).decode() for line in lines]
        given = ImportItems(count=len(texts), **arguments)
        return await self.run(IMPORT_ITEMS, given, chunks=build_chunks(texts), ctx=ctx)

    async def problems(self, job):
        async with self.rt.db.acquire() as conn:
            return [
                (problem.number, problem.message) for problem in await list_problems(conn, job.id, 0, 500)
            ]

    async def fetch(self, sql, *values):
        async with self.rt.db.acquire() as conn:
            return [dict(row) for row in await conn.fetch(sql, *values)]

    async def fetch_value(self, sql, *values):
        async with self.rt.db.acquire() as conn:
            return await conn.fetchval(sql, *values)

    async def make_actor(self, name, *permissions):
        user = await create_user(self.rt.db, name=name, password=None)
        async with self.rt.db.acquire() as conn:
            role_id = await conn.fetchval(
                "INSERT INTO role (id, name) VALUES ($1, $2) RETURNING id", user.id, name
            )
            await conn.executemany(
                "INSERT INTO role_permission VALUES ($1, $2)",
                [(role_id, permission) for permission in permissions],
            )
            await conn.execute("INSERT INTO users_roles VALUES ($1, $2)", user.id, role_id)
        return Context(actor=Actor(id=user.id, name=name, permissions=frozenset(permissions)))


def build_note(number=0, **changes):
    return {
        "type": "note",
        "title": f"Note {number}",
        "fields": {
            "field_place": {"value": "Rome"},
            "field_body": {"value": "some words", "format": "plain_text"},
        },
        **changes,
    }

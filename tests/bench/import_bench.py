"""Imports items into a whole site, and saves others meanwhile: `python -m tests.bench.import_bench`.

The items have 8 fields and 2 to 10 KB of words that are as unlike each other as those of a language; the two shipped
plugins are on, commits are durable, and one worker does everything.
"""

import asyncio
import os
import random
import statistics
from time import monotonic

import asyncpg
import orjson

from kernel.app.open import open_kernel
from kernel.app.prepare import build_administrator_context
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import build_chunks
from kernel.batch.start import start_batch
from kernel.ids import uuid7
from kernel.jobs import SAVE_ITEM, SaveItem
from kernel.ledger.wait import submit_and_wait, wait_for_job
from tests.bench.site_bench import running_site

ITEMS = 6_000
SAVES = 60
MORE_FIELDS = ("field_place", "field_source", "field_topic")


def build_words(chance, count=8_000):
    letters = "eeeetttaaoooiinnsshhrrdlucmfwygpbvkxjqz"
    return ["".join(chance.choices(letters, k=chance.randint(2, 11))) for _ in range(count)]


def build_lines(count):
    """About a fifth of the words are rare, as in a text."""
    chance = random.Random(13)
    words = build_words(chance)
    weights = [1 / rank for rank in range(1, len(words) + 1)]

    def write(size):
        text = " ".join(chance.choices(words, weights, k=size // 5))
        return text[:size].strip()

    for number in range(count):
        body = "".join(f"<p>{write(600)}</p>" for _ in range(chance.randint(2, 15)))
        yield orjson.dumps(
            {
                "type": "blog",
                "title": f"{write(40)} {number}",
                "fields": {
                    "field_summary": {"value": write(200)},
                    "field_body": {"value": body, "format": "filtered_html"},
                    "field_published_on": {"value": "2026-03-01"},
                    "field_reading_minutes": {"value": 4},
                    "field_featured": {"value": number % 2 == 0},
                    **{name: {"value": write(80)} for name in MORE_FIELDS},
                },
            }
        ).decode()


async def add_fields(config):
    conn = await asyncpg.connect(config.database_url)
    more = [{"name": name, "label": name, "kind": "text"} for name in MORE_FIELDS]
    await conn.execute(
        "UPDATE item_type SET settings = jsonb_set(settings, '{fields}', settings -> 'fields' || $1::jsonb)"
        " WHERE type = 'blog'",
        orjson.dumps(more).decode(),
    )
    await conn.executemany(
        "INSERT INTO search_field_config (type, field_name, weight) VALUES ('blog', $1, 'B')",
        [(name,) for name in MORE_FIELDS],
    )
    await conn.close()


async def measure_saves(rt, ctx, count, pause_s=0.0):
    """How long each took, one after another."""
    waits_ms = []
    for _ in range(count):
        payload = SaveItem(
            uuid7(), "page", "A title", {"field_body": {"value": "x " * 1000, "format": "plain_text"}}
        )
        started = monotonic()
        job = await submit_and_wait(rt.ledger, ctx, SAVE_ITEM, payload, timeout_s=10)
        assert job.is_finished
        waits_ms.append((monotonic() - started) * 1000)
        await asyncio.sleep(pause_s)
    parts = statistics.quantiles(waits_ms, n=20)
    return f"p50 {statistics.median(waits_ms):.0f} ms, p95 {parts[18]:.0f} ms"


async def run_import(rt, ctx, lines):
    """Items per second, from the start of the attempt to its end."""
    arguments = ImportItems(count=len(lines))
    job_id = await start_batch(rt, ctx, IMPORT_ITEMS, arguments, chunks=build_chunks(lines))
    job = await wait_for_job(rt.ledger, job_id, 120)
    assert job.result is not None, job
    assert job.result["done"] == len(lines), job.result
    return len(lines) / (job.finished - job.started).total_seconds()


async def main():
    lines = list(build_lines(ITEMS))
    print(f"{ITEMS:,} lines of {statistics.mean(map(len, lines)) / 1000:.1f} KB on average")
    async with running_site(os.environ["DATABASE_URL"], os.environ["REDIS_URL"]) as config:
        await add_fields(config)
        async with open_kernel(config, role="worker", with_plugins=False) as rt:
            ctx = await build_administrator_context(rt)
            await run_import(rt, ctx, lines[:400])
            quiet = await measure_saves(rt, ctx, SAVES)
            print(f"import alone: {await run_import(rt, ctx, lines):.0f} items/s")
            importing = asyncio.create_task(run_import(rt, ctx, lines))
            busy = await measure_saves(rt, ctx, SAVES, pause_s=0.05)
            speed = await importing
            print(f"import beside an editor: {speed:.0f} items/s")
            print(f"saves: {quiet} while nothing else runs; {busy} during an import")


if __name__ == "__main__":
    asyncio.run(main())

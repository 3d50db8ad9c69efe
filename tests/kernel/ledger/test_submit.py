"""Submitting as the web role: one row for one key, refused at the door, not lost without Redis."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from kernel.context import Context
from kernel.errors import BadInput
from kernel.ids import uuid7
from kernel.jobs import DELETE_ITEM, INDEX_ITEM, RUN_ITEM_TAPS, IndexItem, RunItemTaps
from kernel.ledger.model import JobStatus
from kernel.ledger.submit import submit_job
from kernel.queue import Queue
from tests.fixtures.ledger import EDITOR, get_job, submit


async def test_a_job_is_a_row_with_everything_its_worker_needs(web_ledger):
    item_id = uuid7()
    job = await get_job(web_ledger, await submit(web_ledger, payload=IndexItem([item_id])))
    assert (job.status, job.kind, job.payload) == (
        JobStatus.QUEUED,
        "index_item",
        {"item_ids": [str(item_id)]},
    )
    assert (job.actor_id, job.request_id, job.stage_id) == (EDITOR.actor.id, "request-1", "live")
    assert (job.attempts, job.deliveries, job.dedupe_key, job.parent_id) == (0, 1, None, None)
    assert not job.is_finished


async def test_its_delivery_carries_the_id_alone(web_ledger, redis_client, redis_prefix):
    job_id = await submit(web_ledger)
    assert redis_client.zrange(f"{redis_prefix}:queue:background", 0, -1) == [f"{job_id}:1".encode()]
    body = redis_client.get(f"arq:job:{job_id}:1")
    assert body.startswith(b'{"t":null,"f":"run_job","a":["%s"],"k":{},"et":' % str(job_id).encode())
    assert 3500 < redis_client.ttl(f"arq:job:{job_id}:1") <= 3600


@pytest.mark.parametrize(
    ("ctx", "kept"),
    [
        pytest.param(Context(session_key="k"), "k", id="a-stranger-is-known-by-session"),
        pytest.param(replace(EDITOR, session_key="k"), None, id="an-actor-by-id"),
    ],
)
async def test_the_session_is_kept_only_when_nobody_was_logged_in(web_ledger, ctx, kept):
    assert (await get_job(web_ledger, await submit(web_ledger, ctx=ctx))).session_key == kept


@pytest.mark.story("4.4")
async def test_pressing_save_twice_makes_one_job(web_ledger):
    ids = await asyncio.gather(*(submit(web_ledger, dedupe_key="form") for _ in range(5)))
    assert len(set(ids)) == 1
    async with web_ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job") == 1


async def test_another_key_is_another_job(web_ledger):
    assert await submit(web_ledger, dedupe_key="a") != await submit(web_ledger, dedupe_key="b")


async def test_text_that_cannot_be_stored_never_becomes_a_row(web_ledger):
    with pytest.raises(BadInput, match=r"items\.title contains a character"):
        await submit(web_ledger, RUN_ITEM_TAPS, RunItemTaps("t", [{"title": "a\x00"}]))
    async with web_ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM job") == 0


async def test_a_payload_of_another_kind_is_a_mistake_of_the_program(web_ledger):
    with pytest.raises(TypeError, match="delete_item carries a DeleteItem, not a IndexItem"):
        await submit_job(web_ledger, EDITOR, DELETE_ITEM, IndexItem([uuid7()]))


async def test_without_redis_the_job_waits_in_the_ledger(web_ledger):
    nowhere = await Queue.open("redis://127.0.0.1:1/0", "x")
    job_id = await submit(replace(web_ledger, queue=nowhere))
    assert (await get_job(web_ledger, job_id)).status is JobStatus.QUEUED
    assert await nowhere.put(job_id, 2, INDEX_ITEM) is False
    assert await nowhere.put(UUID(int=1), 1, INDEX_ITEM) is False
    await nowhere.close()

"""`queue-api` asked directly: who may push, what, from which taps, and how much may wait."""

import json

import pytest

from kernel.context import Actor, Context
from kernel.host.queue_api import DATA_MAX, list_queue_functions
from kernel.ids import parse_uuid, uuid7
from kernel.jobs import WORK_PLUGIN_QUEUE
from kernel.plugin.model import PluginSet
from kernel.plugin_queue.push import WAITING_MAX
from kernel.sandbox.host import HostError
from kernel.tap.answers import QueueInfo
from kernel.tap.catalogue import CRON, ITEM_PRESAVE, ITEM_VIEW, PAGE, QUEUE_WORKER
from kernel.tap.registry import TapRegistry
from kernel.tap.scope import TapScope
from tests.fixtures.ledger import get_job

QUEUES = {
    ("sender", "mail"): QueueInfo("mail", "Mail"),
    ("other", "secret"): QueueInfo("secret", "Secret"),
}
CTX = Context(actor=Actor(), request_id="request-1")


@pytest.fixture
def push(workshop, web_ledger):
    """Pushes as the plugin `sender` does while it answers a tap; in a web process, which may do the least."""
    (function,) = list_queue_functions(web_ledger)

    async def push_it(queue="mail", payload="1", *, tap=QUEUE_WORKER, scope=None):
        sender = await workshop.load("sender")
        scope = scope or TapScope(PluginSet(registry=TapRegistry((sender,), {}, QUEUES)), CTX)
        state = scope.get_state(sender)
        state.tap = tap
        return parse_uuid(await function.call(state, queue, payload))

    return push_it


async def count_jobs(ledger):
    async with ledger.db.acquire() as conn:
        return await conn.fetchval("SELECT count(*) FROM job")


@pytest.mark.story("5.7", "13.4")
@pytest.mark.parametrize("tap", [PAGE, ITEM_VIEW, CRON, QUEUE_WORKER], ids=lambda tap: tap.function)
async def test_what_is_pushed_is_a_job_on_behalf_of_whoever_asks(push, ledger, tap):
    payload = {"to": "ada@example.org", "lines": [1, None, "ü"]}
    job = await get_job(ledger, await push(payload=json.dumps(payload), tap=tap))
    assert (job.kind, job.group_key, job.status) == (WORK_PLUGIN_QUEUE.name, "sender", "queued")
    assert job.payload == {"plugin": "sender", "queue": "mail", "data": payload}
    assert (job.actor_id, job.request_id, job.dedupe_key) == (CTX.actor.id, "request-1", None)


async def test_what_comes_before_the_save_may_not_push(push, ledger):
    with pytest.raises(HostError, match="item_presave comes before the save") as refused:
        await push(tap=ITEM_PRESAVE)
    assert refused.value.code == "not-available"
    assert await count_jobs(ledger) == 0


@pytest.mark.parametrize("queue", ["secret", "Mail", "", "mail\0", "x" * 10_000])
async def test_only_queues_that_the_plugin_declares_take_work(push, ledger, queue):
    with pytest.raises(HostError) as refused:
        await push(queue)
    assert refused.value.code == "no-such-queue"
    # The message is quoted to the plugin, so what was asked for is cut and harmless in it.
    assert len(refused.value.as_json().encode()) < 300
    assert await count_jobs(ledger) == 0


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('"' + "x" * (DATA_MAX - 2) + '"', None),
        ('"' + "x" * (DATA_MAX - 1) + '"', "too-large"),
        ('"' + "ü" * (DATA_MAX // 2) + '"', "too-large"),
        ("[" * 64 + "]" * 64, None),
        ("[" * 65 + "]" * 65, "bad-payload"),
        ('{"a":' * 40_000, "too-large"),
        ("[" * 90_000, "bad-payload"),
        ('"\\u0000"', "bad-payload"),
        ('{"\\u0000": 1}', "bad-payload"),
        ('"\\\\u0000"', None),
        ('"\\ud800"', "bad-payload"),
        ("NaN", "bad-payload"),
        ("1 2", "bad-payload"),
        ("", "bad-payload"),
        ("null", None),
    ],
    ids=lambda value: str(value)[:12].encode("ascii", "backslashreplace").decode() if value else "taken",
)
async def test_what_can_be_stored_is_taken_and_the_rest_refused_with_a_code(push, ledger, payload, code):
    if code is None:
        job = await get_job(ledger, await push(payload=payload))
        assert job.payload["data"] == json.loads(payload)
        return
    with pytest.raises(HostError) as refused:
        await push(payload=payload)
    assert refused.value.code == code
    assert await count_jobs(ledger) == 0


@pytest.mark.story("5.7")
async def test_a_full_queue_says_so_and_leaves_other_plugins_alone(push, ledger):
    """Over all queues of the plugin; what runs or is over does not count."""
    async with ledger.db.acquire() as conn:
        await conn.execute(
            """
            INSERT INTO job (id, kind, group_key, actor_id, status)
            SELECT gen_random_uuid(), $1, CASE WHEN n <= $2 THEN 'sender' ELSE 'other' END, gen_random_uuid(),
                'queued'
            FROM generate_series(1, 2 * $2::int) AS n
            """,
            WORK_PLUGIN_QUEUE.name,
            WAITING_MAX,
        )
        with pytest.raises(HostError, match="10,000 pieces of work wait") as refused:
            await push()
        assert refused.value.code == "queue-full"
        await conn.execute(
            "UPDATE job SET status = 'done' WHERE id = (SELECT id FROM job WHERE group_key = 'sender' LIMIT 1)"
        )
    assert await push() is not None


async def test_a_job_that_is_tried_again_pushes_the_same_once_and_alike_as_often_as_it_did(
    push, workshop, ledger
):
    sender = await workshop.load("sender")
    plugins = PluginSet(registry=TapRegistry((sender,), {}, QUEUES))
    job_id, tries = uuid7(), []
    for _ in range(2):
        scope = TapScope(plugins, CTX, job_id=job_id)
        tries.append([await push(payload=payload, scope=scope) for payload in ("1", "1", "2")])
    assert tries[0] == tries[1]
    assert len(set(tries[0])) == await count_jobs(ledger) == 3
    # Another job, another request: its pushes are its own.
    assert await push(scope=TapScope(plugins, CTX, job_id=uuid7())) not in tries[0]
    assert await push() != await push()


async def test_a_try_that_begins_in_the_middle_pushes_for_the_items_that_were_not_reached(
    push, workshop, ledger
):
    """Three items, the same said of each; the first try ends after two of them, and the second begins at the second."""
    sender = await workshop.load("sender")
    plugins = PluginSet(registry=TapRegistry((sender,), {}, QUEUES))
    job_id, items, pushed = uuid7(), [uuid7() for _ in range(3)], []
    for first, last in ((0, 2), (1, 3)):
        scope = TapScope(plugins, CTX, job_id=job_id)
        for item_id in items[first:last]:
            scope.turn_to(item_id)
            pushed.append(await push(scope=scope))
    assert pushed[1] == pushed[2]
    assert len(set(pushed)) == await count_jobs(ledger) == 3

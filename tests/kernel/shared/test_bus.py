"""Messages between processes, and what happens to them when Redis goes away."""

import asyncio

import pytest

from kernel.errors import Unavailable
from kernel.shared.bus import CONNECTED, Bus, encode_message
from kernel.shared.connection import Shared


async def next_of(queue):
    async with asyncio.timeout(5):
        return await queue.get()


async def test_a_message_reaches_every_process_in_order(open_process):
    one, two = await open_process(), await open_process()
    heard = {1: asyncio.Queue(), 2: asyncio.Queue()}
    one.bus.subscribe("topic", heard[1].put_nowait)
    two.bus.subscribe("topic", heard[2].put_nowait)
    for number in range(3):
        await one.bus.publish("topic", {"number": number, "text": "ä\n"})
    for queue in heard.values():
        assert [await next_of(queue) for _ in range(3)] == [{"number": n, "text": "ä\n"} for n in range(3)]


async def test_topics_and_sites_are_apart(process, redis_url):
    heard = asyncio.Queue()
    process.bus.subscribe("topic", heard.put_nowait)
    other = await Shared.open(redis_url, "test-other-site")
    await other.client.publish("test-other-site:bus", encode_message("topic", {"from": "other site"}))
    await other.close()
    await process.bus.publish("topic2", {"from": "other topic"})
    await process.bus.publish("topic", {"from": "here"})
    assert await next_of(heard) == {"from": "here"}
    assert heard.empty()


async def test_nothing_is_heard_after_unsubscribing(process):
    kept, left = asyncio.Queue(), asyncio.Queue()
    process.bus.subscribe("topic", kept.put_nowait)
    leave = process.bus.subscribe("topic", left.put_nowait)
    leave()
    leave()
    await process.bus.publish("topic", {})
    await next_of(kept)
    assert left.empty()


async def test_a_handler_may_leave_while_it_is_called(process):
    heard = asyncio.Queue()

    def once(message):
        heard.put_nowait(message)
        leave()

    leave = process.bus.subscribe("topic", once)
    process.bus.subscribe("topic", heard.put_nowait)
    await process.bus.publish("topic", {"n": 1})
    await process.bus.publish("topic", {"n": 2})
    assert [await next_of(heard) for _ in range(3)] == [{"n": 1}, {"n": 1}, {"n": 2}]


async def test_one_handlers_mistake_is_its_own(process):
    heard = asyncio.Queue()

    def fail(_message):
        raise ValueError("mine")

    process.bus.subscribe("topic", fail)
    process.bus.subscribe("topic", heard.put_nowait)
    await process.bus.publish("topic", {"n": 1})
    assert await next_of(heard) == {"n": 1}


@pytest.mark.parametrize(
    "payload", [b"", b"topic", b"topic\n", b"topic\nno json", b"topic\n[1]", b"\xff\n{}"], ids=repr
)
async def test_garbage_on_the_channel_is_passed_over(process, payload):
    heard = asyncio.Queue()
    process.bus.subscribe("topic", heard.put_nowait)
    await process.shared.client.publish(process.bus.channel, payload)
    await process.bus.publish("topic", {"n": 1})
    assert await next_of(heard) == {"n": 1}
    assert heard.empty()


async def test_the_subscription_is_made_again_when_the_connection_is_killed(process, redis_client):
    heard = asyncio.Queue()
    process.bus.subscribe("topic", heard.put_nowait)
    again = asyncio.Queue()
    process.bus.subscribe(CONNECTED, again.put_nowait)
    (client,) = (
        row
        for row in redis_client.client_list(_type="pubsub")
        if row["sub"] == "1"
        and redis_client.pubsub_numsub(process.bus.channel)[0][1] == 1
        and is_ours(process, row)
    )
    redis_client.client_kill(client["addr"])
    await next_of(again)
    assert process.bus.connected
    await process.bus.publish("topic", {"n": 1})
    assert await next_of(heard) == {"n": 1}


def is_ours(process, row):
    """Other suites may listen on the same server."""
    connections = process.shared.client.connection_pool._in_use_connections
    addresses = {connection._writer.get_extra_info("sockname") for connection in connections}
    host, _, port = row["addr"].rpartition(":")
    return (host, int(port)) in addresses


@pytest.mark.adversity
async def test_messages_flow_again_after_a_restart(open_process, own_redis):
    process = await open_process(url=own_redis.url)
    heard, again = asyncio.Queue(), asyncio.Queue()
    process.bus.subscribe("topic", heard.put_nowait)
    own_redis.stop()
    await process.bus.publish("topic", {"lost": True})
    process.bus.subscribe(CONNECTED, again.put_nowait)
    own_redis.start()
    await next_of(again)
    await process.bus.publish("topic", {"n": 1})
    assert await next_of(heard) == {"n": 1}


async def test_starting_without_redis_says_so(own_redis, redis_prefix):
    shared = await Shared.open(own_redis.url, redis_prefix)
    own_redis.stop()
    bus = Bus(shared)
    with pytest.raises(Unavailable):
        await bus.start()
    await shared.close()


async def test_opening_without_redis_names_the_place_and_not_the_password(own_redis):
    own_redis.stop()
    with pytest.raises(Unavailable) as caught:
        await Shared.open(f"redis://:hunter2@127.0.0.1:{own_redis.port}/0", "p")
    assert f"Redis at 127.0.0.1:{own_redis.port} does not answer" in caught.value.message
    assert "hunter2" not in caught.value.message + str(caught.value.detail)


async def test_ping_tells_whether_redis_answers(own_redis, redis_prefix):
    shared = await Shared.open(own_redis.url, redis_prefix)
    assert await shared.ping(1.0)
    own_redis.stop()
    assert not await shared.ping(1.0)
    await shared.close()

"""The memory of an instance is known when it is closed, and is its own."""

from kernel.sandbox.memory import read_linear_memories
from tests.kernel.sandbox.conftest import Watched, page_payload

MB = 2**20


async def test_what_an_instance_grew_to_is_told_when_it_is_closed_beside_others(torture):
    before = read_linear_memories()
    modest, greedy = await torture.take(Watched()), await torture.take(Watched())
    assert len(read_linear_memories().keys() - before.keys()) == 2
    await greedy.invoke("tap_page", page_payload("memory_bomb_caught"))
    modest_bytes, greedy_bytes = modest.close_measured(), greedy.close_measured()
    assert 5 * MB < modest_bytes < 40 * MB
    # Its limit is 64 MB, and it asked for more.
    assert 55 * MB < greedy_bytes <= 64 * MB
    assert read_linear_memories() == before


async def test_what_was_closed_before_is_not_measured(torture):
    instance = await torture.take(Watched())
    instance.close()
    assert instance.close_measured() is None

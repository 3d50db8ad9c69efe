"""A hostile plugin gets an error with a reason, and nobody else notices."""

import asyncio
import re
import time

import pytest

from kernel.errors import PluginError
from tests.kernel.sandbox.conftest import Watched, page_payload

# How each case ends: its reason, words of its message, and whether the instance is of no use any more.
FAILURES = {
    "loop": ("cpu-budget", "used more than 100 ms of processor time", True),
    "loop_catching": ("cpu-budget", "used more than 100 ms of processor time", True),
    "memory_bomb": ("memory", "MemoryError: it needs more memory than [budgets] gives it", False),
    "recursion": ("tap-error", "RecursionError: maximum recursion depth exceeded", False),
    "recursion_in_c": ("stack-overflow", "nested too many calls", True),
    "lone_surrogate": ("bad-answer", "half a character", False),
    "no_json": ("bad-answer", "a value of type object cannot be sent", False),
    "not_a_number": ("bad-answer", "cannot be sent", False),
    "raise_error": ("tap-error", "ValueError: boom", False),
    "exit_by_exception": ("exit", "SystemExit: 3", False),
    "exit_by_system": ("exit", "tried to end the process", True),
    "abort": ("abort", "aborted", True),
    "sleep": ("refused-capability", "plugins may not wait", True),
    "sleep_in_asyncio": ("refused-capability", "plugins may not wait", True),
    "connect": ("refused-capability", "plugins may not wait, open connections", True),
    "resolve": ("refused-capability", "plugins may not wait, open connections", True),
    "read_stdin": ("refused-capability", "or read input", True),
    "read_file": ("tap-error", "there are no files in the sandbox", False),
    "late_import": ("tap-error", "only what is imported at the top of a file exists in the sandbox", False),
    "no_such_case": ("tap-error", "KeyError", False),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_a_hostile_case_ends_with_its_reason(torture, case):
    reason, words, is_broken = FAILURES[case]
    instance = await torture.take(Watched())
    with pytest.raises(PluginError, match=re.escape(words)) as failure:
        # Only those that shall run out of it get little, since a busy machine is slow.
        cpu_ms = 100 if reason == "cpu-budget" else 2_000
        await instance.invoke("tap_page", page_payload(case, seconds="30"), cpu_ms=cpu_ms)
    assert (failure.value.reason, instance.broken) == (reason, is_broken)
    assert str(failure.value).startswith("Plugin 'torture', tap_page: ")
    instance.close()


@pytest.mark.parametrize(
    ("tap", "reason", "is_broken"),
    [
        ("raw_surrogate", "abort", True),
        ("raw_exit", "exit", True),
        ("raw_raise", "abort", True),
        ("raw_error_garbage", "bad-answer", False),
        ("raw_error_list", "bad-answer", False),
        ("raw_error_code", "tap-error", False),
        ("tap_item_view", "tap-not-implemented", False),
    ],
)
async def test_a_plugin_that_goes_round_the_sdk_ends_with_its_reason(torture, tap, reason, is_broken):
    instance = await torture.take(Watched())
    with pytest.raises(PluginError) as failure:
        await instance.invoke(tap, b"{}")
    assert (failure.value.reason, instance.broken) == (reason, is_broken)
    instance.close()


async def test_an_answer_that_is_no_json_is_the_callers_to_judge(torture):
    instance = await torture.take(Watched())
    assert await instance.invoke("raw_garbage", b"{}") == b"{half a JSON"
    instance.close()


@pytest.mark.story("3.2")
async def test_the_plugins_own_traceback_is_in_the_detail_and_not_in_the_message(run_case):
    with pytest.raises(PluginError) as failure:
        await run_case("raise_error")
    assert 'torture.py", line' in failure.value.detail
    assert failure.value.detail.endswith("ValueError: boom\n")
    assert "Traceback" not in failure.value.message


async def test_a_broken_instance_answers_nothing_more(torture):
    instance = await torture.take(Watched())
    for reason in ("cpu-budget", "abort", "abort"):
        with pytest.raises(PluginError) as failure:
            await instance.invoke("tap_page", page_payload("loop"), cpu_ms=1)
        assert failure.value.reason == reason
    instance.close()


async def test_a_memory_error_that_the_plugin_handles_is_its_own_affair(run_case):
    assert 30 <= await run_case("memory_bomb_caught") < 64


async def test_an_answer_may_be_as_large_as_the_limit_and_no_larger(run_case):
    assert len(await run_case("huge_answer", size=999_998)) == 999_998
    with pytest.raises(PluginError, match="1,000,001 bytes") as failure:
        await run_case("huge_answer", size=999_999)
    assert failure.value.reason == "bad-answer"


async def test_a_payload_over_the_limit_is_not_sent(torture):
    instance = await torture.take(Watched())
    with pytest.raises(PluginError, match="1,000,001 bytes") as failure:
        await instance.invoke("tap_page", b" " * 1_000_001)
    assert (failure.value.reason, instance.broken) == ("memory", False)
    instance.close()


async def test_a_payload_that_is_no_json_is_an_ordinary_failure(torture):
    instance = await torture.take(Watched())
    with pytest.raises(PluginError, match="JSONDecodeError"):
        await instance.invoke("tap_page", b"[")
    assert not instance.broken
    instance.close()


async def test_a_plugin_has_no_files_no_environment_and_no_output(run_case, capfd):
    assert await run_case("list_environment") == [{}, []]
    assert await run_case("print_lines") == "printed"
    assert capfd.readouterr() == ("", "")


async def test_chance_differs_between_instances_and_the_clock_is_right(run_case):
    first, second = await run_case("draw"), await run_case("draw")
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert abs(first[2] - time.time()) < 60


async def test_nothing_is_remembered_from_one_instance_to_the_next(run_case):
    assert await run_case("remember", what="a secret") == ["a secret"]
    assert await run_case("remember", what="another") == ["another"]


async def test_others_go_on_while_one_loops(torture, bench):
    state = Watched(fields={"field_body": "text"})
    looping = await torture.take(state)
    loop = asyncio.create_task(looping.invoke("tap_page", page_payload("loop"), cpu_ms=400))
    served = 0
    longest = 0.0
    viewing = await bench.take(state)
    while not loop.done():
        started = time.perf_counter()
        await viewing.invoke("tap_item_view", b'{"items":[{"handle":1}]}')
        longest = max(longest, time.perf_counter() - started)
        served += 1
    with pytest.raises(PluginError):
        await loop
    assert served > 20
    assert longest < 0.2
    looping.close()
    viewing.close()


async def test_the_event_loop_turns_while_many_plugins_loop(torture):
    instances = [await torture.take(Watched()) for _ in range(12)]
    loops = [asyncio.create_task(i.invoke("tap_page", page_payload("loop"), cpu_ms=40)) for i in instances]
    turns = 0
    while not all(task.done() for task in loops):
        await asyncio.sleep(0)
        turns += 1
    outcomes = await asyncio.gather(*loops, return_exceptions=True)
    assert {outcome.reason for outcome in outcomes} == {"cpu-budget"}
    # Twelve times 40 ms in slices of at most 2 ms, and a turn for everybody else between two of them.
    assert turns > 12 * 40 / 2 / 2
    for instance in instances:
        instance.close()


async def test_traps_and_calls_leave_no_store_behind(torture, sandbox):
    assert sandbox.live_instances == 0
    for _ in range(20):
        instance = await torture.take(Watched())
        for _ in range(100):
            assert await instance.invoke("raw_garbage", b"{}") == b"{half a JSON"
        with pytest.raises(PluginError):
            await instance.invoke("tap_page", page_payload("abort"))
        # A trapped store answers nothing more, so it is freed at once.
        assert sandbox.live_instances == 0
        instance.close()


async def test_the_plugins_words_are_bounded(run_case, torture):
    instance = await torture.take(Watched())
    with pytest.raises(PluginError) as failure:
        await instance.invoke("raw_error_garbage", b"{}")
    assert failure.value.detail == "no JSON"
    instance.close()
    with pytest.raises(PluginError) as failure:
        await run_case("x" * 100_000)
    assert len(failure.value.message) < 1_100
    assert len(failure.value.detail) <= 8_000


async def test_a_tap_gets_the_answer_that_its_payload_asks_for(run_case):
    assert await run_case("compute", rounds=10) == 165_029_893

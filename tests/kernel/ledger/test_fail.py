"""Which failures can heal, when the next attempt comes, and what is said about an error."""

from random import Random

import pytest

from kernel.errors import (
    BadInput,
    Conflict,
    Forbidden,
    LeaseLost,
    PluginError,
    TooMany,
    Unavailable,
    WorkFailed,
)
from kernel.ledger.fail import can_heal, compute_backoff_s, describe_error, describe_for_log
from tests.fixtures.ledger import get_job, submit


@pytest.mark.parametrize(
    ("error", "heals"),
    [
        (ZeroDivisionError(), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (Unavailable("away"), True),
        (TooMany("slow down"), True),
        (BadInput("no"), False),
        (Conflict("no"), False),
        (Forbidden("no"), False),
        (LeaseLost("over"), False),
        (PluginError("p", "timeout", "slow"), True),
        (PluginError("p", "cpu-budget", "slow"), True),
        (PluginError("p", "bad-answer", "nonsense"), False),
        (PluginError("p", "refused-capability", "may not"), False),
    ],
    ids=lambda value: getattr(value, "reason", type(value).__name__) if isinstance(value, Exception) else "",
)
def test_what_comes_from_the_values_does_not_heal(error, heals):
    assert can_heal(error) is heals


@pytest.mark.parametrize(
    ("attempts", "middle_s"), [(1, 1), (2, 4), (3, 16), (4, 64), (5, 256), (6, 600), (50, 600)]
)
def test_each_attempt_waits_longer_and_none_at_the_same_time(attempts, middle_s):
    waits = [compute_backoff_s(attempts, Random(seed)) for seed in range(200)]
    assert middle_s * 0.5 <= min(waits) < middle_s * 0.6
    assert middle_s * 1.4 < max(waits) <= middle_s * 1.5


def raise_chain():
    try:
        int("a secret value")
    except ValueError as error:
        raise Unavailable("The index is away.", detail="port 1") from error


def test_the_log_gets_types_places_and_our_own_words_only():
    with pytest.raises(Unavailable) as raised:
        raise_chain()
    described = describe_for_log(raised.value)
    assert described["error"] == "Unavailable: The index is away. port 1 from ValueError"
    assert "in raise_chain" in described["stack"]
    assert "secret" not in str(described["error"])


def test_errors_that_are_each_other_s_reason_are_told_once():
    first, second = Unavailable("The index is away."), ValueError("secret")
    first.__cause__, second.__cause__ = second, first
    assert describe_for_log(first)["error"] == "Unavailable: The index is away. from ValueError"


async def test_what_a_plugin_failed_with_is_kept_apart_from_its_words(ledger):
    job = await get_job(ledger, await submit(ledger))
    failure = PluginError("moody", "tap-error", "ValueError: secret", tap="tap_queue_worker")
    wrapped = WorkFailed(failure.message, tries=3)
    wrapped.__cause__ = failure
    for error in (failure, wrapped):
        described = describe_error(error, job)
        assert described["message"] == "Plugin 'moody', tap_queue_worker: ValueError: secret"
        assert described["failure"] == {"plugin": "moody", "tap": "tap_queue_worker", "reason": "tap-error"}
    assert "failure" not in describe_error(WorkFailed("It was tried 3 times.", tries=3), job)

"""An answer of a plugin is kept exactly as long as the same question would be answered the same, and for those alone
who would be answered so."""

from dataclasses import replace

import pytest

from kernel.context import Context
from kernel.shared.cache import STALE_AFTER_S
from tests.fixtures.fragments import ALICE, BOB, MAY, SHOW, STRANGER, Desk, make_item, make_user


@pytest.fixture
async def desk(workshop, ledger):
    curious = await workshop.load("curious", "curious", may=MAY, item_view=SHOW, page=SHOW, functions=["ask"])
    return Desk(ledger, (curious,))


async def set_variable(ledger, name, value):
    async with ledger.db.acquire() as conn:
        await conn.execute(
            "INSERT INTO variable (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
            name,
            value,
        )
    await ledger.cache.drop([f"variable:{name}"])


async def test_the_second_visitor_is_shown_what_was_kept_without_any_instance(desk):
    items = [make_item(number) for number in range(1, 4)]
    first = await desk.show(ALICE, *items)
    second = await desk.show(BOB, *items)
    assert first.answers == second.answers == {("curious", number): [] for number in (1, 2, 3)}
    assert set(first.outcomes.values()) == {"made"}
    assert set(second.outcomes.values()) == {"hit"}
    assert (first.taken, second.taken) == (1, 0)


async def test_only_what_is_not_kept_is_asked(desk):
    await desk.show(ALICE, make_item(1), make_item(3))
    seen = await desk.show(
        ALICE, *(make_item(number, ["remember", number]) for number in (2, 4)), make_item(3)
    )
    assert seen.outcomes == {("curious", 2): "made", ("curious", 3): "hit", ("curious", 4): "made"}
    assert seen.answers["curious", 4] == [[2, 4]]


async def test_an_item_that_changed_is_asked_about_anew(desk):
    await desk.show(ALICE, make_item(1), make_item(2))
    changed = make_item(1, changed="2026-03-03T10:00:00+00:00")
    seen = await desk.show(ALICE, changed, make_item(2))
    assert seen.outcomes == {("curious", 1): "made", ("curious", 2): "hit"}

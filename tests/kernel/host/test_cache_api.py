"""A plugin's own corner of the cache: values with tags, found by those alone who would have been told the same."""

from uuid import uuid4

import pytest

from kernel.context import Context
from kernel.host.cache_api import KEY_MAX, MISS_LIFE_S, TAGS_MAX, VALUE_MAX, list_cache_functions
from kernel.plugin.model import PluginSet
from kernel.plugin_data.tags import name_variable_tag
from kernel.sandbox.host import HostError
from kernel.tap.registry import TapOptions, TapRegistry
from kernel.tap.scope import CLOCK_LIFE_S, TapScope
from tests.fixtures.fragments import ALICE, BOB, MAY, SHOW, STRANGER, Desk, make_item, make_user
from tests.fixtures.ledger import open_ledger, start_run

KEEP = ["keep", "totals", "all", {"sum": 7}, "votes"]
KEPT = ["kept", "totals", "all"]


@pytest.fixture
async def desk(workshop, ledger):
    curious = await workshop.load("curious", "curious", may=MAY, item_view=SHOW, page=TapOptions())
    other = await workshop.load("other", "curious", may=MAY, page=TapOptions())
    return Desk(ledger, (curious, other))


async def ask(desk, ctx, *asks, **options):
    """The answers of a page; every request has a path of its own, so that none is kept for another."""
    seen = await desk.show_page(ctx, *asks, path=f"/{uuid4()}", **options)
    assert seen.failures == ()
    return next(iter(seen.answers.values()))


@pytest.mark.story("3.12")
async def test_a_value_is_found_again_until_its_tag_is_invalidated(desk):
    assert await ask(desk, ALICE, KEPT) == [None]
    assert await ask(desk, ALICE, KEEP, KEPT) == [True, {"sum": 7}]
    assert await ask(desk, BOB, KEPT, ["kept", "totals", "none"], ["kept", "sums", "all"]) == [
        {"sum": 7},
        None,
        None,
    ]
    assert await ask(desk, BOB, ["forget", "comments"], KEPT) == ["forgotten", {"sum": 7}]
    assert await ask(desk, BOB, ["forget", "votes"], KEPT) == ["forgotten", None]


@pytest.mark.story("3.12")
async def test_values_stand_in_redis_for_every_process(desk, config):
    await ask(desk, ALICE, KEEP)
    async with open_ledger(config, "web") as elsewhere:
        seen = await desk.show_page(BOB, KEPT, path="/elsewhere", cache=elsewhere.cache)
    assert seen.answers["curious", 0] == [{"sum": 7}]


async def test_a_corner_belongs_to_one_plugin_and_one_stage(desk):
    await ask(desk, ALICE, KEEP)
    assert await ask(desk, ALICE, KEPT, plugin="other") == [None]
    assert await ask(desk, ALICE, ["forget", "votes"], plugin="other") == ["forgotten"]
    assert await ask(desk, Context(actor=ALICE.actor, stage_id="draft"), KEPT) == [None]
    assert await ask(desk, ALICE, KEPT) == [{"sum": 7}]


@pytest.mark.parametrize(
    ("setter", "question", "finds", "misses"),
    [
        (ALICE, ["user"], [ALICE], [BOB, STRANGER]),
        (make_user("edit"), ["may", "edit"], [make_user("edit", "delete")], [ALICE, STRANGER]),
        (ALICE, ["may", "edit"], [BOB, STRANGER], [make_user("edit")]),
    ],
    ids=["the user", "a permission that is there", "a permission that is not"],
)
async def test_what_one_user_had_computed_is_handed_to_no_other(desk, setter, question, finds, misses):
    await ask(desk, setter, question, KEEP)
    for ctx in finds:
        assert await ask(desk, ctx, KEPT) == [{"sum": 7}]
    for ctx in misses:
        assert await ask(desk, ctx, KEPT) == [None]


async def test_what_an_item_told_that_some_may_not_see_stays_with_who_saw_it(desk):
    hidden = make_item(1, KEEP, status=0)
    assert (await desk.show(ALICE, hidden)).answers["curious", 1] == [True]
    assert await ask(desk, ALICE, KEPT) == [{"sum": 7}]
    assert await ask(desk, BOB, KEPT) == [None]


async def test_what_an_item_told_is_not_for_those_who_may_see_no_items(desk):
    await desk.show(ALICE, make_item(1, KEEP))
    assert await ask(desk, BOB, KEPT) == [{"sum": 7}]
    assert await ask(desk, Context(), KEPT) == [None]


async def test_values_of_several_users_stand_beside_each_other(desk):
    for ctx in (ALICE, BOB, STRANGER):
        await ask(desk, ctx, ["user"], ["keep", "mine", "x", str(ctx.actor.id)])
    await ask(desk, make_user("edit"), ["may", "edit"], ["keep", "mine", "x", "for editors"])
    for ctx in (ALICE, BOB, STRANGER):
        assert await ask(desk, ctx, ["kept", "mine", "x"]) in ([str(ctx.actor.id)], [None])


async def test_a_value_goes_when_data_changes_that_it_was_made_from(desk):
    await ask(desk, ALICE, ["variable", "curious_x"], KEEP)
    assert await ask(desk, BOB, KEPT) == [{"sum": 7}]
    await desk.ledger.cache.drop([name_variable_tag("curious_x")])
    assert await ask(desk, BOB, KEPT) == [None]


async def test_who_reads_a_value_inherits_what_it_was_made_from(desk):
    await ask(desk, ALICE, ["variable", "curious_x"], ["user"], ["clock"], KEEP)
    seen = await desk.show(ALICE, make_item(1, KEPT))
    assert seen.answers["curious", 1] == [{"sum": 7}]
    record = seen.record
    assert name_variable_tag("curious_x") in record.tags
    assert (record.has_user, record.obstacle) == (True, "")
    assert 0 < record.ttl_s < CLOCK_LIFE_S
    assert (await desk.show(ALICE, make_item(1, KEPT))).outcomes == {("curious", 1): "hit"}
    await ask(desk, BOB, ["forget", "votes"])
    assert (await desk.show(ALICE, make_item(1, KEPT))).outcomes == {("curious", 1): "made"}


async def test_an_answer_without_a_value_is_made_again_soon(desk):
    seen = await desk.show(ALICE, make_item(1, KEPT))
    assert (seen.record.ttl_s, seen.outcomes) == (MISS_LIFE_S, {("curious", 1): "made"})


async def test_chance_may_be_kept_as_a_value(desk):
    await ask(desk, ALICE, ["chance"], KEEP)
    seen = await desk.show(BOB, make_item(1, KEPT))
    assert (seen.answers["curious", 1], seen.record.obstacle) == ([{"sum": 7}], "")


async def test_a_value_made_from_what_was_dropped_meanwhile_is_not_kept(desk):
    async with desk.open(ALICE) as scope:
        await desk.ledger.cache.drop([name_variable_tag("curious_x")])
        seen = await desk.show_page_in(scope, ["variable", "curious_x"], KEEP)
    assert seen.answers["curious", 0] == ["unset", False]
    assert await ask(desk, ALICE, KEPT) == [None]


REFUSED = {
    "no name": (["keep", "no bin", "k", 1], "bad-payload"),
    "no key": (["keep", "b", "", 1], "bad-payload"),
    "long key": (["keep", "b", "k" * (KEY_MAX + 1), 1], "bad-payload"),
    "large value": (["keep", "b", "k", "v" * VALUE_MAX], "too-large"),
    "empty tag": (["keep", "b", "k", 1, ""], "bad-payload"),
    "many tags": (["keep", "b", "k", 1, *map(str, range(TAGS_MAX + 1))], "bad-payload"),
    "no array": (["keep_raw", "b", "k", "1", '{"a": 1}'], "bad-payload"),
    "no JSON": (["keep_raw", "b", "k", "1", "["], "bad-payload"),
    "no text": (["keep_raw", "b", "k", "1", "[1]"], "bad-payload"),
    "forget nothing": (["forget", ""], "bad-payload"),
}


@pytest.mark.parametrize(("question", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_is_too_much_or_makes_no_sense_is_refused(desk, question, code):
    assert await ask(desk, ALICE, question) == [code]


async def test_the_largest_of_all_is_taken(desk):
    value, key = "v" * (VALUE_MAX - 2), "k" * KEY_MAX
    tags = ["t" * 255, *map(str, range(TAGS_MAX - 1))]
    assert await ask(desk, ALICE, ["keep", "b", key, value, *tags]) == [True]
    assert await ask(desk, ALICE, ["kept", "b", key]) == [value]


async def test_a_job_sets_nothing_and_drops_with_its_commit(desk):
    functions = {it.name: it.call for it in list_cache_functions(desk.ledger.cache, 60.0)}
    await ask(desk, ALICE, KEEP)
    run = await start_run(desk.ledger)
    plugins = PluginSet(registry=TapRegistry(desk.plugins))
    async with TapScope(plugins, ALICE, job_id=run.job.id, effects=run.writes) as scope:
        state = scope.get_state(desk.plugins[0])
        assert await functions["get"](state, "totals", "all") == '{"sum":7}'
        with pytest.raises(HostError) as refused:
            await functions["set"](state, "totals", "all", "8", "[]")
        assert refused.value.code == "not-available"
        assert await functions["invalidate-tag"](state, "votes")
    assert await ask(desk, ALICE, KEPT) == [{"sum": 7}]
    async with run.finish():
        pass
    assert await ask(desk, ALICE, KEPT) == [None]

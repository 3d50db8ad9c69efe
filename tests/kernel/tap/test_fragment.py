"""An answer of a plugin is kept exactly as long as the same question would be answered the same, and for those alone
who would be answered so."""

import random
from dataclasses import replace

import pytest

from kernel.context import Context
from kernel.plugin_data.store import apply_tables
from kernel.plugin_data.tags import name_table_tag, name_variable_tag
from kernel.tap.capability import Capabilities, Column, Table
from kernel.tap.fragment import FRAGMENT_MAX, TOO_LARGE
from kernel.tap.registry import TapOptions
from kernel.tap.scope import CLOCK_LIFE_S
from tests.fixtures.fragments import ALICE, BOB, MAY, SHOW, STRANGER, Desk, make_item, make_user
from tests.fixtures.ledger import open_ledger

WORDS = Table("words", (Column("word", "text"),))


@pytest.fixture
async def desk(workshop, ledger):
    may = {**MAY, "tables": {"words": WORDS}}
    curious = await workshop.load(
        "curious", "curious", may=may, functions=["ask"], item_view=SHOW, page=TapOptions()
    )
    return Desk(ledger, (curious,))


@pytest.fixture
async def pair(workshop, desk):
    """The same artefact under two names."""
    other = await workshop.load(
        "other", "curious", may=MAY, functions=["ask"], item_view=SHOW, page=TapOptions()
    )
    return replace(desk, plugins=(*desk.plugins, other))


async def set_variable(ledger, name, value):
    async with ledger.db.acquire() as conn:
        await conn.execute(
            "INSERT INTO variable (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
            name,
            value,
        )
    await ledger.cache.drop([name_variable_tag(name)])


def outcomes(seen):
    return {number: outcome for (_, number), outcome in seen.outcomes.items()}


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
    asked = [make_item(number, ["remember", number]) for number in (2, 4)]
    seen = await desk.show(ALICE, asked[0], make_item(3), asked[1])
    assert outcomes(seen) == {2: "made", 3: "hit", 4: "made"}
    assert seen.answers["curious", 4] == [[2, 4]]


async def test_an_answer_of_nothing_is_an_answer(workshop, ledger):
    probe = await workshop.load("probe", item_view=TapOptions())
    desk = Desk(ledger, (probe,))
    await desk.show(ALICE, make_item(1, title="nothing"))
    # The plugin leaves something in the request for every other title, which keeps its answers from being kept.
    seen = await desk.show(BOB, make_item(1, title="nothing"))
    assert (seen.answers, outcomes(seen)) == ({("probe", 1): None}, {1: "hit"})


async def test_an_item_that_changed_is_asked_about_anew_and_so_is_what_was_made_beside_it(desk):
    await desk.show(ALICE, make_item(1), make_item(2))
    await desk.show(ALICE, make_item(3))
    changed = make_item(1, changed="2026-03-03T10:00:00+00:00")
    assert outcomes(await desk.show(BOB, changed, make_item(2))) == {1: "made", 2: "hit"}
    await desk.ledger.cache.drop([f"item:{make_item(1)['id']}"])
    again = await desk.show(BOB, changed, make_item(2), make_item(3))
    assert outcomes(again) == {1: "made", 2: "made", 3: "hit"}


@pytest.mark.parametrize(
    ("question", "tag"),
    [
        (["variable", "curious_color"], name_variable_tag("curious_color")),
        (["variable", "site_name"], name_variable_tag("site_name")),
        (["plugin", "blog"], "plugins"),
        (["rows"], name_table_tag("curious", "words")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
async def test_what_was_told_is_a_tag_and_ends_the_answer_and_no_other(desk, owner, question, tag):
    await apply_tables(owner, "curious", {"words": WORDS})
    await desk.show(ALICE, make_item(1, question))
    await desk.show(ALICE, make_item(2))
    assert outcomes(await desk.show(BOB, make_item(1, question), make_item(2))) == {1: "hit", 2: "hit"}
    await desk.ledger.cache.drop([name_variable_tag("curious_size")])
    assert outcomes(await desk.show(BOB, make_item(1, question), make_item(2))) == {1: "hit", 2: "hit"}
    await desk.ledger.cache.drop([tag])
    assert outcomes(await desk.show(BOB, make_item(1, question), make_item(2))) == {1: "made", 2: "hit"}


async def test_a_variable_that_changes_is_seen_at_once(desk):
    question = make_item(1, ["variable", "curious_color"])
    assert (await desk.show(ALICE, question)).answers["curious", 1] == ["unset"]
    await set_variable(desk.ledger, "curious_color", "green")
    assert (await desk.show(ALICE, question)).answers["curious", 1] == ["green"]


async def test_each_user_has_an_answer_of_their_own_where_the_plugin_asked_who_it_is(desk):
    item = make_item(1, ["user"])
    for ctx in (ALICE, BOB, STRANGER):
        assert (await desk.show(ctx, item)).answers["curious", 1] == [str(ctx.actor.id)]
    for ctx in (ALICE, BOB, STRANGER):
        seen = await desk.show(ctx, item)
        assert (seen.answers["curious", 1], seen.taken) == ([str(ctx.actor.id)], 0)


async def test_who_has_the_same_permissions_shares_an_answer_that_asked_for_them(desk):
    item = make_item(1, ["may", "edit"])
    assert outcomes(await desk.show(make_user("edit"), item)) == {1: "made"}
    assert outcomes(await desk.show(make_user(), item)) == {1: "made"}
    for permissions, may in ((["edit"], True), (["edit", "delete"], True), (["delete"], False)):
        seen = await desk.show(make_user(*permissions), item)
        assert (seen.answers["curious", 1], outcomes(seen)) == ([may], {1: "hit"})


async def test_somebody_who_loses_a_permission_is_not_shown_what_it_gave(desk):
    item = make_item(1, ["may", "edit"])
    editor = make_user("edit")
    await desk.show(editor, item)
    seen = await desk.show(make_user(user_id=editor.actor.id), item)
    assert seen.answers["curious", 1] == [False]


async def test_answers_that_differ_by_more_and_more_are_kept_apart(desk):
    """The same item asks one or two permissions, as a setting says."""
    asked = {"one": [["may", "edit"]], "two": [["may", "edit"], ["may", "delete"]], "who": [["user"]]}
    contexts = [make_user(), make_user("edit"), make_user("delete"), make_user("edit", "delete")]
    for ctx in contexts * 2:
        for number, asks in enumerate(asked.values(), 1):
            seen = await desk.show(ctx, make_item(number, *asks))
            expected = [ctx.actor.may(ask[1]) if ask[0] == "may" else str(ctx.actor.id) for ask in asks]
            assert seen.answers["curious", number] == expected


@pytest.mark.parametrize("other", [replace(ALICE, stage_id="draft"), replace(ALICE, language="de")])
async def test_a_stage_and_a_language_have_answers_of_their_own(desk, other):
    await desk.show(ALICE, make_item(1))
    assert outcomes(await desk.show(other, make_item(1))) == {1: "made"}
    assert outcomes(await desk.show(other, make_item(1))) == {1: "hit"}


@pytest.mark.parametrize("question", ["clock", "monotonic"])
async def test_an_answer_with_the_time_lives_for_a_minute(desk, question, redis_client, redis_prefix):
    first = await desk.show(ALICE, make_item(1, [question]))
    assert (outcomes(first), first.record.ttl_s) == ({1: "made"}, CLOCK_LIFE_S)
    ages = [redis_client.pttl(key) for key in redis_client.scan_iter(f"{redis_prefix}:cache:entry:fragment*")]
    assert len(ages) == 1
    assert 0 < ages[0] <= CLOCK_LIFE_S * 1000
    second = await desk.show(BOB, make_item(1, [question]))
    assert outcomes(second) == {1: "hit"}
    # The page that shows it lives no longer than what is left.
    assert CLOCK_LIFE_S - 30 < second.record.ttl_s < CLOCK_LIFE_S


NOT_KEPT = {
    "chance": ["chance"],
    "a value for others": ["share", "a", "b"],
    "a value of others": ["shared", "a"],
    "a write": ["write", "word"],
    "a cache that is emptied": ["forget", "tag"],
}


@pytest.mark.parametrize("question", NOT_KEPT.values(), ids=NOT_KEPT)
async def test_chance_side_effects_and_what_only_this_request_knows_are_not_kept(desk, question):
    for _ in range(2):
        seen = await desk.show(ALICE, make_item(1, question))
        assert (outcomes(seen), seen.taken, seen.failures) == ({1: "not_kept"}, 1, ())
        assert seen.record.obstacle


async def test_what_one_instance_learned_counts_for_all_that_it_answers_later(desk):
    async with desk.open(ALICE) as scope:
        await desk.show_in(scope, make_item(1, ["remember", str(ALICE.actor.id)], ["user"]))
        later = await desk.show_in(scope, make_item(2, ["remember", "later"]))
    assert later.answers["curious", 2] == [[str(ALICE.actor.id), "later"]]
    seen = await desk.show(BOB, make_item(2, ["remember", "later"]))
    assert (seen.answers["curious", 2], outcomes(seen)) == ([["later"]], {2: "made"})


async def test_what_is_answered_together_depends_on_all_of_it(desk):
    items = [make_item(1, ["remember", 1]), make_item(2, ["user"]), make_item(3, ["variable", "curious_x"])]
    await desk.show(ALICE, *items)
    assert set((await desk.show(BOB, *items)).outcomes.values()) == {"made"}
    assert set((await desk.show(BOB, *items)).outcomes.values()) == {"hit"}
    await set_variable(desk.ledger, "curious_x", "y")
    assert set((await desk.show(BOB, *items)).outcomes.values()) == {"made"}


async def test_what_only_some_may_see_is_asked_last_and_stays_with_who_asked(desk):
    hidden = make_item(1, ["remember", "hidden"], status=0)
    public = make_item(2, ["remember", "public"])
    seen = await desk.show(ALICE, hidden, public)
    assert seen.answers == {("curious", 1): [["public", "hidden"]], ("curious", 2): [["public"]]}
    assert outcomes(await desk.show(BOB, public)) == {2: "hit"}
    assert outcomes(await desk.show(ALICE, hidden)) == {1: "hit"}
    assert outcomes(await desk.show(BOB, hidden)) == {1: "made"}


async def test_a_value_of_the_request_carries_what_its_setter_knew(pair):
    async with pair.open(ALICE) as scope:
        seen = await pair.show_in(scope, make_item(1, ["shared", "who"], ["share", "who", "x"], ["user"]))
    assert seen.answers["other", 1][0] == "x"
    other = next(found for found in seen.findings if found.plugin == "other")
    assert (other.outcome, other.record.has_user) == ("not_kept", True)


async def test_a_function_of_another_plugin_hands_on_what_it_learned(pair):
    item = make_item(1, ["call", "other", ["user"], ["variable", "other_x"]])
    for ctx in (ALICE, BOB):
        answers = (await pair.show(ctx, item)).answers
        assert answers["curious", 1] == answers["other", 1] == [[str(ctx.actor.id), "unset"]]
    await set_variable(pair.ledger, "other_x", "y")
    assert (await pair.show(BOB, item)).answers["curious", 1] == [[str(BOB.actor.id), "y"]]


async def test_pages_are_kept_by_all_that_they_are_asked_with(desk):
    first = await desk.show_page(ALICE, ["variable", "curious_x"])
    second = await desk.show_page(BOB, ["variable", "curious_x"])
    assert first.answers == second.answers == {("curious", 0): ["unset"]}
    assert (outcomes(first), outcomes(second), second.taken) == ({0: "made"}, {0: "hit"}, 0)
    for other in ({"path": "/elsewhere"}, {}):
        asks = [["variable", "curious_x"]] if other else [["variable", "curious_y"]]
        assert outcomes(await desk.show_page(BOB, *asks, **other)) == {0: "made"}
    await set_variable(desk.ledger, "curious_x", "y")
    assert (await desk.show_page(BOB, ["variable", "curious_x"])).answers["curious", 0] == ["y"]


async def test_an_item_shown_on_a_page_knows_nothing_of_its_address(desk):
    async with desk.open(ALICE) as scope:
        await desk.show_page_in(scope, ["remember", "the address"])
        seen = await desk.show_in(scope, make_item(1, ["remember", 1]))
    assert seen.answers["curious", 1] == [[1]]
    assert outcomes(await desk.show(BOB, make_item(1, ["remember", 1]))) == {1: "hit"}


async def test_who_learns_of_a_page_from_another_plugin_is_not_kept_for_other_pages(pair):
    asks = [["call", "other", ["remember", "the address"]]]
    async with pair.open(ALICE) as scope:
        await pair.show_page_in(scope, *asks)
        seen = await pair.show_in(scope, make_item(1, ["call", "other", ["remember", 1]]))
    assert seen.answers["curious", 1] == [[["the address", 1]]]
    assert seen.outcomes["curious", 1] == "not_kept"


async def test_a_failure_is_not_kept(desk):
    for _ in range(2):
        seen = await desk.show(ALICE, make_item(1, ["no such question"]))
        assert ([failure.reason for failure in seen.failures], seen.outcomes) == (["tap-error"], {})
        assert seen.taken == 1


async def test_an_answer_that_is_too_large_is_made_each_time(desk):
    item = make_item(1, title="x" * FRAGMENT_MAX)
    await desk.show(ALICE, item)
    seen = await desk.show(ALICE, item)
    assert outcomes(seen) == {1: "not_kept"}
    assert seen.findings[0].record.obstacle == TOO_LARGE


@pytest.mark.parametrize(
    "changes",
    [
        {"may": Capabilities(permissions=frozenset({"edit"}))},
        {"taps": {"tap_item_view": TapOptions(data_mode="handle", fields=SHOW.fields)}},
        {"name": "renamed"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_another_manifest_has_answers_of_its_own(desk, changes):
    await desk.show(ALICE, make_item(1))
    changed = replace(desk, plugins=(replace(desk.plugins[0], **changes),))
    assert outcomes(await changed.show(ALICE, make_item(1))) == {1: "made"}
    assert outcomes(await changed.show(ALICE, make_item(1))) == {1: "hit"}


async def test_data_that_changes_while_an_answer_is_made_keeps_it_from_being_kept(desk):
    item = make_item(1, ["variable", "curious_x"])
    async with desk.open(ALICE) as scope:
        await set_variable(desk.ledger, "curious_x", "new")
        await desk.show_in(scope, item)
    seen = await desk.show(ALICE, item)
    assert (seen.answers["curious", 1], outcomes(seen)) == (["new"], {1: "made"})


async def test_processes_share_answers_and_hear_of_changes(desk, config):
    item = make_item(1, ["variable", "curious_x"])
    async with open_ledger(config, "web") as elsewhere:
        await desk.show(ALICE, item)
        assert outcomes(await desk.show(BOB, item, cache=elsewhere.cache)) == {1: "hit"}
        await set_variable(desk.ledger, "curious_x", "new")
        # As a request does with the generation that its session carries.
        await elsewhere.cache.observe(desk.ledger.cache.generation())
        seen = await desk.show(BOB, item, cache=elsewhere.cache)
        assert (seen.answers["curious", 1], outcomes(seen)) == (["new"], {1: "made"})
        assert outcomes(await desk.show(BOB, item)) == {1: "hit"}


class Counted:
    """A script of the cache, and how often Redis was asked to run it."""

    def __init__(self, script):
        self.script = script
        self.runs = 0

    async def run(self, *arguments):
        self.runs += 1
        return await self.script.run(*arguments)


async def test_a_listing_takes_few_round_trips(pair, config):
    items = [make_item(number, ["user"] if number % 2 else ["may", "edit"]) for number in range(1, 26)]
    await pair.show(ALICE, *items)
    async with open_ledger(config, "web") as elsewhere:
        cache = elsewhere.cache
        cache._get_script, cache._put_script = reads, writes = (
            Counted(cache._get_script),
            Counted(cache._put_script),
        )
        await pair.show(ALICE, *items, cache=cache)
        assert (reads.runs, writes.runs) == (2, 0), "what answers differ by, then answers"
        await pair.show(ALICE, *items, cache=cache)
        assert (reads.runs, writes.runs) == (2, 0)
        await pair.show(BOB, *items, cache=cache)
        assert (reads.runs, writes.runs) == (3, 1)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_changes_in_whatever_order_answers_are_true(pair, seed):
    """Each answer is what would be answered now, to this user, whether it was kept or made."""
    chance = random.Random(seed)
    names = ("curious_a", "curious_b")
    variables = dict.fromkeys(names, "unset")
    questions = [*(["variable", name] for name in names), ["user"], ["may", "edit"], ["may", "delete"]]
    asks = {number: chance.sample(questions, chance.randint(0, 3)) for number in range(1, 7)}
    contexts = [make_user(), make_user("edit"), make_user("delete"), STRANGER]

    def expect(ctx: Context, question):
        match question:
            case ["variable", name]:
                return variables[name]
            case ["user"]:
                return str(ctx.actor.id)
            case ["may", name]:
                return ctx.actor.may(name)

    kept = 0
    for step in range(60):
        if chance.random() < 0.2:
            name = chance.choice(names)
            variables[name] = str(step)
            await set_variable(pair.ledger, name, str(step))
        ctx = chance.choice(contexts)
        numbers = chance.sample(sorted(asks), chance.randint(1, 6))
        seen = await pair.show(ctx, *(make_item(number, *asks[number]) for number in numbers))
        for number in numbers:
            answer = [expect(ctx, question) for question in asks[number]]
            assert seen.answers["curious", number] == answer
        kept += sum(outcome == "hit" for outcome in seen.outcomes.values())
    assert kept > 20

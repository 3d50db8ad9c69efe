"""Plugins load and save any item: with whose rights, of which types, and once, however often a job is tried."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kernel.context import Actor, Context
from kernel.host.item_store_api import REMEMBERED_MAX, list_item_store_functions
from kernel.host.submit import DEPTH_MAX
from kernel.ids import parse_uuid, uuid7
from kernel.item.model import Item
from kernel.item.store import insert_item
from kernel.jobs import INDEX_ITEM, IndexItem
from kernel.names import ANONYMOUS_ID
from kernel.plugin.model import PluginSet
from kernel.sandbox.host import HostError
from kernel.tap.capability import Capabilities
from kernel.tap.catalogue import ITEM_PRESAVE, ITEM_UPDATE, ITEM_VIEW, MENU
from kernel.tap.registry import TapPlugin, TapRegistry
from kernel.tap.scope import TapScope
from tests.fixtures.ledger import get_job, start_run

READER = Actor(id=uuid7(), name="reader", permissions=frozenset({"access content"}))
EDITOR = Actor(
    id=uuid7(),
    name="editor",
    permissions=frozenset({"access content", "create page content", "edit any page content"}),
)
PAGES = {"read_types": frozenset({"page"}), "write_types": frozenset({"page"})}


def make_scope(actor=EDITOR, *, owners=None, may=PAGES, **options):
    """Of one plugin, which needs no artefact where its functions are called directly."""
    plugin = TapPlugin("reach", None, {}, Capabilities(**may))
    ctx = replace(Context(actor=actor, request_id="request-1"), depth=options.pop("depth", 0))
    return TapScope(PluginSet(registry=TapRegistry((plugin,), owners or {})), ctx, **options)


def get_state(scope, tap=ITEM_UPDATE):
    state = scope.get_state(scope.registry.plugins[0])
    state.tap = tap
    return state


@pytest.fixture
def api(web_ledger):
    """Load and save, in a web process, which may do the least."""
    return {function.name: function.call for function in list_item_store_functions(web_ledger)}


@pytest.fixture
def load(api):
    async def load_it(item_id, scope=None, tap=ITEM_VIEW):
        return json.loads(await api["load"](get_state(scope or make_scope(), tap), str(item_id)))

    return load_it


@pytest.fixture
def save(api):
    """Answers the ids of the item and of the job."""

    async def save_it(item, scope=None, tap=ITEM_UPDATE):
        text = item if isinstance(item, str) else json.dumps(item)
        answer = json.loads(await api["save"](get_state(scope or make_scope(), tap), text))
        assert answer.keys() == {"id", "job_id"}
        return parse_uuid(answer["id"]), parse_uuid(answer["job_id"])

    return save_it


async def refusal(awaitable):
    with pytest.raises(HostError) as refused:
        await awaitable
    return refused.value.code, refused.value.message


@pytest.fixture
def make_item(ledger):
    async def make(title="Hello", *, status=1, author_id=ANONYMOUS_ID, fields=None):
        item = Item(
            id=uuid7(),
            type="page",
            title=title,
            author_id=author_id,
            status=status,
            promote=False,
            sticky=True,
            created=datetime(2026, 3, 1, tzinfo=UTC),
            changed=datetime(2026, 3, 2, tzinfo=UTC),
            fields=fields or {"field_body": {"value": "<p>Hi</p>", "format": "filtered_html"}},
            revision_id=uuid7(),
        )
        async with ledger.db.transaction() as tx:
            assert await insert_item(tx.conn, item, author_id, "")
        return item

    return make


async def count_jobs(ledger):
    async with ledger.db.acquire() as conn:
        return await conn.fetchval("SELECT count(*) FROM job")


@pytest.mark.story("3.9")
async def test_an_item_is_loaded_with_all_of_its_fields(load, make_item):
    item = await make_item()
    assert await load(item.id) == json.loads(json.dumps(item.as_data()))


@pytest.mark.parametrize("actor", [Actor(), READER, EDITOR], ids=["nobody", "reader", "editor"])
async def test_what_one_may_not_see_and_what_is_not_there_are_the_same(load, make_item, actor):
    """An item that is not published, for anybody but its author and those who may see such."""
    hidden = await make_item(status=0)
    told = [await refusal(load(item_id, make_scope(actor))) for item_id in (hidden.id, uuid7(), "x", "")]
    assert {code for code, _ in told} == {"not-found"}
    assert len(set(told)) == 1


async def test_who_may_see_an_item_that_is_not_published_is_given_it(load, make_item, ledger):
    hidden = await make_item(status=0)
    chief = replace(READER, permissions=READER.permissions | {"view unpublished content"})
    assert (await load(hidden.id, make_scope(chief)))["id"] == str(hidden.id)
    assert (await load(hidden.id, make_scope(Actor(is_admin=True))))["id"] == str(hidden.id)


async def test_types_that_neither_manifest_nor_plugin_names_are_refused(load, make_item):
    item = await make_item()
    code, message = await refusal(load(item.id, make_scope(may={})))
    assert code == "refused-capability"
    assert "'page' in [capabilities] read_types" in message
    owning = make_scope(may={}, owners={"page": "reach"})
    assert (await load(item.id, owning))["title"] == "Hello"
    assert (await refusal(load(item.id, make_scope(may={}, owners={"page": "other"}))))[0] == code


async def test_loading_notes_what_the_answer_depends_on(load, make_item):
    shown, hidden, nobody = await make_item(), await make_item(status=0), uuid7()
    scope = make_scope(READER)
    record = get_state(scope).record
    await load(shown.id, scope)
    assert record.tags == {shown.tag}
    assert record.permissions == {"access content": True}
    assert not record.has_user
    # That there is nothing ends when somebody makes it.
    await refusal(load(nobody, scope))
    assert record.tags == {shown.tag, f"item:{nobody}"}
    assert not record.has_user
    # Whether one may see it is a matter of who one is.
    await refusal(load(hidden.id, scope))
    assert record.tags == {shown.tag, f"item:{nobody}", hidden.tag}
    assert record.has_user
    assert not record.obstacle


async def test_an_item_is_read_once_in_a_scope_and_a_scope_remembers_so_many(load, make_item, ledger):
    items, scope = [await make_item(f"Item {number}") for number in range(3)], make_scope()
    for item in items:
        await load(item.id, scope)
    async with ledger.db.acquire() as conn:
        await conn.execute("UPDATE item SET title = 'changed'")
    assert [(await load(item.id, scope))["title"] for item in items] == ["Item 0", "Item 1", "Item 2"]
    assert (await load(items[0].id))["title"] == "changed"
    for _ in range(REMEMBERED_MAX):
        await refusal(load(uuid7(), scope))
    assert len(scope.loaded) == REMEMBERED_MAX
    assert (await load(items[0].id, scope))["title"] == "changed"
    # A job about many items begins anew with each.
    scope.turn_to(uuid7())
    assert scope.loaded == {}


async def test_a_new_item_is_saved_by_a_job_under_an_id_that_is_known_at_once(save, ledger):
    scope = make_scope()
    item_id, job_id = await save(
        {
            "type": "page",
            "title": " Hello  you ",
            "fields": {"field_body": {"value": "Hi"}},
            "log_message": "Why",
        },
        scope,
    )
    job = await get_job(ledger, job_id)
    assert (job.kind, job.actor_id, job.request_id, job.depth) == ("save_item", EDITOR.id, "request-1", 1)
    assert job.payload == {
        "item_id": str(item_id),
        "type": "page",
        "title": "Hello you",
        "fields": {"field_body": {"value": "Hi", "format": "filtered_html"}},
        "status": 1,
        "promote": False,
        "sticky": False,
        "log_message": "Why",
        "expected_revision_id": None,
        "form": None,
    }
    assert get_state(scope).record.obstacle == "it saves an item"


async def test_a_change_keeps_what_it_does_not_name(save, make_item, ledger):
    item = await make_item(status=0, author_id=ANONYMOUS_ID)
    chief = replace(EDITOR, permissions=EDITOR.permissions | {"view unpublished content"})
    item_id, job_id = await save(
        {"id": str(item.id), "status": 1, "fields": {"field_body": {"value": "New"}}}, make_scope(chief)
    )
    assert item_id == item.id
    assert (await get_job(ledger, job_id)).payload == {
        "item_id": str(item.id),
        "type": "page",
        "title": "Hello",
        "fields": {"field_body": {"value": "New", "format": "filtered_html"}},
        "status": 1,
        "promote": False,
        "sticky": True,
        "log_message": "",
        "expected_revision_id": str(item.revision_id),
        "form": None,
    }


async def test_a_field_is_emptied_by_nothing(save, make_item, ledger):
    item = await make_item()
    _, job_id = await save({"id": str(item.id), "fields": {"field_body": {"value": None}}})
    assert (await get_job(ledger, job_id)).payload["fields"] == {}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "no object"),
        ("null", "no object"),
        ({"title": "x"}, 'one with "id"'),
        ({"id": "ID", "type": "page", "title": "x"}, 'one with "id"'),
        ({"type": "page", "title": "x", "author_id": "ID"}, "'author_id'"),
        ({"type": "page", "title": "x", "created": "now"}, "'created'"),
        ({"type": "page"}, "title: The title must be text."),
        ({"type": "page", "title": " "}, "title: The title is required."),
        ({"type": "page", "title": 1}, "'title', which must be text"),
        ({"type": "page", "title": "x", "status": 2}, "'status', which must be 0 or 1"),
        ({"type": "page", "title": "x", "status": True}, "'status', which must be 0 or 1"),
        ({"type": "page", "title": "x", "sticky": 1}, "'sticky', which must be true or false"),
        ({"type": "page", "title": "x", "fields": []}, "'fields', which must be an object"),
        ({"type": "page", "title": "x", "fields": {"field_body": "x"}}, "field 'field_body'"),
        ({"type": "page", "title": "x", "fields": {"field_body": {"value": {}}}}, "field 'field_body'"),
        (
            {"type": "page", "title": "x", "fields": {"field_body": {"value": 1}}},
            "field_body: Body must be text",
        ),
        (
            {"type": "page", "title": "x", "fields": {"field_none": {"value": 1}}},
            "field_none: The type Page has no",
        ),
        (
            {"type": "page", "title": "x", "fields": {"field_body": {"value": "x", "format": "full_html"}}},
            "You may not use the text format full_html",
        ),
        ({"type": "page", "title": "x", "log_message": "x" * 256}, "255 characters in 'log_message'"),
        ('{"type": "page", "title": "\\u0000"}', "NUL"),
        (json.dumps({"type": "page", "title": "x" * 1_000_000}), "larger than"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
async def test_an_item_that_cannot_be_saved_is_refused_with_a_sentence(save, ledger, item, words):
    if isinstance(item, dict) and item.get("id") == "ID":
        item = {**item, "id": str(uuid7())}
    code, message = await refusal(save(item))
    assert code == "bad-payload"
    assert words in message
    assert await count_jobs(ledger) == 0


async def test_a_type_that_does_not_exist_is_refused_by_name(save):
    scope = make_scope(Actor(is_admin=True), may={"write_types": frozenset({"poem"})})
    code, message = await refusal(save({"type": "poem", "title": "x"}, scope))
    assert (code, "'poem'" in message) == ("bad-payload", True)


async def test_only_types_that_the_manifest_names_are_saved_even_for_an_administrator(
    save, make_item, ledger
):
    item, admin = await make_item(), Actor(is_admin=True)
    for order in ({"type": "page", "title": "x"}, {"id": str(item.id), "title": "x"}):
        # Reading is not writing.
        scope = make_scope(admin, may={"read_types": frozenset({"page"})})
        code, message = await refusal(save(order, scope))
        assert code == "refused-capability"
        assert "'page' in [capabilities] write_types" in message
        await save(order, make_scope(admin, may={}, owners={"page": "reach"}))


@pytest.mark.parametrize("actor", [Actor(), READER], ids=["nobody", "reader"])
async def test_a_save_has_the_rights_of_the_user_and_no_others(save, make_item, ledger, actor):
    actor = replace(actor, permissions=frozenset({"access content"}))
    item, hidden = await make_item(), await make_item(status=0)
    scope = make_scope(actor)
    assert (await refusal(save({"type": "page", "title": "x"}, scope)))[0] == "forbidden"
    assert (await refusal(save({"id": str(item.id), "title": "x"}, scope)))[0] == "forbidden"
    assert (await refusal(save({"id": str(hidden.id), "title": "x"}, scope)))[0] == "not-found"
    assert (await refusal(save({"id": str(uuid7()), "title": "x"}, scope)))[0] == "not-found"
    assert (await refusal(save({"id": "7", "title": "x"}, scope)))[0] == "not-found"
    assert await count_jobs(ledger) == 0


async def test_presave_leaves_no_trace_and_a_stage_is_not_saved_to(save, ledger):
    order = {"type": "page", "title": "x"}
    code, message = await refusal(save(order, tap=ITEM_PRESAVE))
    assert (code, message) == (
        "not-available",
        "item_presave comes before the save and may not save an item.",
    )
    assert (await refusal(save(order, tap=MENU)))[0] == "not-available"
    scope = make_scope()
    scope.ctx = replace(scope.ctx, stage_id="spring")
    assert (await refusal(save(order, scope)))[0] == "not-available"
    assert await count_jobs(ledger) == 0


async def test_a_job_that_is_tried_again_saves_the_same_once(save, make_item, ledger):
    """Also when the first try's saves are done by then, and the item is another than it was."""
    item, job_id, tries = await make_item(), uuid7(), []
    orders = [
        {"type": "page", "title": "x"},
        {"type": "page", "title": "x"},
        {"id": str(item.id), "title": "y"},
    ]
    for _ in range(2):
        scope = make_scope(job_id=job_id)
        tries.append([await save(order, scope) for order in orders])
        async with ledger.db.acquire() as conn:
            await conn.execute("UPDATE item_revision SET created = created")
            await conn.execute("UPDATE item SET title = 'y' WHERE id = $1", item.id)
    assert tries[0] == tries[1]
    assert len(set(tries[0])) == await count_jobs(ledger) == 3
    # Another job, and another request, mean another item.
    assert await save(orders[0], make_scope(job_id=uuid7())) not in tries[0]
    assert await save(orders[0]) not in tries[0]


async def test_a_chain_of_jobs_has_an_end_that_names_who_went_on(save, ledger):
    order = {"type": "page", "title": "x"}
    _, job_id = await save(order, make_scope(depth=DEPTH_MAX - 1))
    assert (await get_job(ledger, job_id)).depth == DEPTH_MAX
    code, message = await refusal(save(order, make_scope(depth=DEPTH_MAX)))
    assert code == "too-deep"
    assert message.startswith(
        "item_update of plugin 'reach' may not save an item: 5 jobs of plugins have led to"
    )


async def test_what_follows_from_a_job_is_as_deep_as_the_job(ledger):
    """Kept by the rows, so that a chain is known whichever worker goes on with it."""
    run = await start_run(ledger, ctx=Context(actor=EDITOR, depth=3))
    assert run.ctx.depth == 3
    async with run.finish() as finish:
        finish.follow_up(INDEX_ITEM, IndexItem([]))
    async with ledger.db.acquire() as conn:
        assert await conn.fetchval("SELECT depth FROM job WHERE parent_id = $1", run.job.id) == 3

"""The SDK by itself, in an ordinary Python, with the stand-in for the kernel that authors test with."""

import json
import re
from datetime import UTC, datetime
from types import ModuleType

import pytest
import trovato_sdk
import trovato_sdk.prelude
from trovato_sdk import (
    ContentTypeDefinition,
    FieldDefinition,
    FieldType,
    MenuDefinition,
    Page,
    PermissionDefinition,
    PushError,
    QueueDefinition,
    container,
    image,
    link,
    list_,
    log,
    markup,
    plugins,
    queues,
    request_context,
    table,
    tap,
    user,
    variables,
)
from trovato_sdk.dispatch import Plugin, TapFailedError
from trovato_sdk.taps import TapDefinitionError
from trovato_sdk.testing import TestKernel

from kernel.item_type.model import read_item_type
from kernel.render.tree import render_tree
from kernel.tap.answers import QueueInfo, read_menu_entries, read_page, read_permissions, read_queues

ITEM = {
    "id": "0190a000-0000-7000-8000-000000000001",
    "type": "blog",
    "title": "Hello",
    "author_id": "0190a000-0000-7000-8000-00000000000a",
    "status": 1,
    "promote": 0,
    "sticky": 1,
    "created": "2026-03-01T10:00:00+00:00",
    "changed": "2026-03-02T10:00:00+00:00",
    "fields": {
        "field_body": {"value": "<p>Hi</p>", "format": "filtered_html"},
        "field_minutes": {"value": 4},
        "field_featured": {"value": True},
    },
}


def make_plugin(*functions):
    module = ModuleType("sample")
    for function in functions:
        setattr(module, function.__name__, tap(function))
    return module


@pytest.mark.story("3.1")
def test_the_prelude_exports_what_authors_need_and_imports_outside_the_sandbox():
    wanted = {
        "ItemHandle",
        "TapContext",
        "RenderElement",
        "ContentTypeDefinition",
        "FieldDefinition",
        "FieldType",
        "MenuDefinition",
        "PermissionDefinition",
        "AccessResult",
    }
    assert wanted <= set(trovato_sdk.prelude.__all__)
    names = {}
    exec("from trovato_sdk.prelude import *", names)  # noqa: S102  # the line that authors write
    assert set(trovato_sdk.__all__) <= names.keys()
    assert [result.name for result in trovato_sdk.AccessResult] == ["GRANT", "DENY", "NEUTRAL"]


@pytest.mark.story("3.2")
@pytest.mark.parametrize("mode", ["full", "handle"])
def test_an_item_reads_the_same_in_both_data_modes(mode):
    def item_view(item):
        return [
            [item.id, item.type, item.title],
            [item.text("field_body"), item.integer("field_minutes"), item.boolean("field_featured")],
            [item.text("field_minutes"), item.integer("field_featured"), item.boolean("field_body")],
            [item.text("field_none"), item.integer("field_none"), item.boolean("field_none")],
            [item.field("field_body"), item.field("field_none")],
        ]

    with TestKernel() as kernel:
        item = ITEM if mode == "full" else kernel.add_item(ITEM)
        assert kernel.call(make_plugin(item_view), "item_view", item=item) == [
            [ITEM["id"], "blog", "Hello"],
            ["<p>Hi</p>", 4, True],
            [None, None, None],
            [None, None, None],
            [{"value": "<p>Hi</p>", "format": "filtered_html"}, None],
        ]


@pytest.mark.parametrize("mode", ["full", "handle"])
def test_changes_of_an_item_are_seen_later_and_keep_the_format(mode):
    seen = []

    def item_presave(item, op):
        assert (item.set_title(f"{item.title} ({op})"), item.set_text("field_body", "new")) == (True, True)
        assert item.set_integer("field_minutes", 5)
        assert item.set_boolean("field_featured", False)
        assert item.set_field("field_note", "<b>x</b>", format="full_html")
        seen.extend((item.title, item.field("field_body"), item.field("field_note")))

    with TestKernel() as kernel:
        item = ITEM if mode == "full" else kernel.add_item(ITEM)
        answer = kernel.call(make_plugin(item_presave), "item_presave", item=item, op="update")
        changes = answer if mode == "full" else kernel.items[1].changes
    assert (answer is None) == (mode == "handle")
    assert changes == {
        "title": "Hello (update)",
        "fields": {
            "field_body": {"value": "new"},
            "field_minutes": {"value": 5},
            "field_featured": {"value": False},
            "field_note": {"value": "<b>x</b>", "format": "full_html"},
        },
    }
    assert seen == [
        "Hello (update)",
        {"value": "new", "format": "filtered_html"},
        {"value": "<b>x</b>", "format": "full_html"},
    ]


def test_an_unknown_handle_reads_as_nothing_and_takes_no_change():
    def item_view(item):
        return [
            item.id,
            item.title,
            item.field("field_body"),
            item.text("field_body"),
            item.set_text("x", "y"),
        ]

    with TestKernel() as kernel:
        answer = kernel.call(make_plugin(item_view), "item_view", item={"handle": 9})
    assert answer == ["", "", None, None, False]


def test_a_presave_that_changes_nothing_answers_nothing_and_one_that_answers_is_told_so():
    def item_presave():
        return None

    def answering():
        return {"title": "x"}

    answering.__name__ = "item_presave"
    with TestKernel() as kernel:
        assert kernel.call(make_plugin(item_presave), "item_presave", item=ITEM, op="insert") is None
        with pytest.raises(TapFailedError, match="changes the item it is given and returns nothing"):
            kernel.call(make_plugin(answering), "item_presave", item=ITEM, op="insert")


def test_properties_beyond_the_fields_come_with_the_whole_item():
    def item_view(item):
        return [
            item.author_id,
            item.created,
            item.changed,
            item.is_published,
            item.is_promoted,
            item.is_sticky,
        ]

    with TestKernel() as kernel:
        answer = kernel.call(make_plugin(item_view), "item_view", item=ITEM)
    assert answer == [ITEM["author_id"], ITEM["created"], ITEM["changed"], True, False, True]


@pytest.mark.parametrize(
    ("function", "payload", "words"),
    [
        ("item_view", {}, "item_view is handed item. In a test: kernel.call(plugin, 'item_view', item={"),
        ("item_view", {"item": ITEM, "user": 1}, "item_view has no user. In a test"),
        ("page", {}, """kernel.call(plugin, 'page', request={"path": "/hello", "function": "hello"})"""),
        ("queue_worker", {"queue": "a"}, "queue_worker is handed data. In a test"),
        ("menu", {"data": 1}, "menu has no data. In a test: kernel.call(plugin, 'menu')"),
        ("item_view", {"item": object()}, "is no JSON, and the kernel hands over nothing else"),
    ],
)
def test_a_payload_that_the_kernel_would_not_hand_over_is_told_with_one_that_it_would(
    function, payload, words
):
    with TestKernel() as kernel, pytest.raises(TypeError, match=re.escape(words)):
        kernel.call(make_plugin(lambda_named(function)), function, **payload)


def test_an_exception_of_the_plugin_is_the_cause_of_the_failure_and_times_may_be_handed_over():
    def cron(now):
        raise LookupError(f"nothing at {now:%H:%M}")

    moment = datetime(2026, 3, 1, 10, tzinfo=UTC)
    with TestKernel() as kernel, pytest.raises(TapFailedError) as failure:
        kernel.call(make_plugin(cron), "cron", now=moment, slot=moment)
    assert str(failure.value) == "tap-error: LookupError: nothing at 10:00"
    assert isinstance(failure.value.__cause__, LookupError)


def test_a_batch_is_answered_item_by_item():
    def item_view(item, ctx):
        return None if item.title == "none" else markup(f"{item.title} in {ctx.stage}, {ctx.language}")

    items = [{"title": "a"}, {"title": "none"}, {"title": "b"}]
    with TestKernel() as kernel:
        answer = kernel.call(
            make_plugin(item_view), "item_view", items=items, ctx={"stage": "draft", "language": "de"}
        )
    assert answer == [
        {"#type": "markup", "#value": "a in draft, de"},
        None,
        {"#type": "markup", "#value": "b in draft, de"},
    ]


def test_host_functions_are_asked_through_the_stand_in():
    def page(request):
        request_context.set("seen", request.path)
        log.warning(f"asked for {request.function} with {request.args}")
        return Page(
            " ".join(
                [
                    user.current_id()[:8],
                    str(user.is_anonymous()),
                    str(user.may("edit")),
                    str(user.may("delete")),
                    variables.get("name", "nobody"),
                    variables.get("site"),
                    str(plugins.exists("blog")),
                    str(request_context.get("seen")),
                ]
            )
        )

    with TestKernel(permissions={"edit"}, variables={"site": "Trovato"}, plugins={"page"}) as kernel:
        request = {"path": "/blog/3", "args": {"id": "3"}, "function": "one"}
        answer = kernel.call(make_plugin(page), "page", request=request)
        assert answer == {"title": "00000000 True True False nobody Trovato False /blog/3", "content": None}
        assert kernel.messages == [("warning", "asked for one with {'id': '3'}")]
        for level in (log.debug, log.info, log.error):
            level("x")
        assert [level for level, _ in kernel.messages] == ["warning", "debug", "info", "error"]
    assert read_page(answer).title == answer["title"]


def test_without_a_stand_in_a_host_function_says_what_is_missing():
    with pytest.raises(RuntimeError, match=r"user_api\.current_user_id needs a kernel: use `with"):
        user.current_id()


def test_what_a_plugin_declares_is_what_the_kernel_reads():
    fields = [FieldDefinition("field_body", "Body", FieldType.TEXT_LONG, required=True, max_length=5_000)]
    item_type = read_item_type(ContentTypeDefinition("blog", "Blog", "Posts", fields).as_data(), "blog")
    assert (item_type.type, item_type.label, item_type.fields[0].kind) == ("blog", "Blog", "text_long")
    assert (item_type.fields[0].required, item_type.fields[0].max_length) == (True, 5_000)
    (entry,) = read_menu_entries([MenuDefinition("/blog", "Blog", function="front", weight=3).as_data()])
    assert (entry.path, entry.title, entry.function, entry.weight) == ("/blog", "Blog", "front", 3)
    (permission,) = read_permissions([PermissionDefinition("edit blog").as_data()])
    assert (permission.name, permission.title) == ("edit blog", "edit blog")
    declared = [QueueDefinition("letters", "Letters"), QueueDefinition("calls", "Calls", 5, timeout_s=30)]
    assert read_queues([definition.as_data() for definition in declared]) == [
        QueueInfo("letters", "Letters"),
        QueueInfo("calls", "Calls", 5, 30),
    ]
    with pytest.raises(ValueError, match="begins with field_"):
        FieldDefinition("body", "Body")


def test_cron_is_handed_times():
    seen = []

    def cron(now, last_run, slot):
        seen.append((now, last_run, slot))
        return "done"

    slot, now = "2026-03-01T10:00:00+00:00", "2026-03-01T10:00:02.5+00:00"
    with TestKernel() as kernel:
        assert kernel.call(make_plugin(cron), "cron", now=now, last_run=None, slot=slot) == "done"
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert seen == [(at.replace(second=2, microsecond=500_000), None, at)]


def test_work_is_pushed_and_worked_with_the_stand_in():
    def queue_worker(queue, data, attempt, job_id):
        if attempt < 3:
            raise LookupError("not yet")
        queues.push("calls", {"after": [queue, data, job_id, "ü"]})

    module = make_plugin(queue_worker)
    with TestKernel(queues=["calls"]) as kernel:
        with pytest.raises(TapFailedError, match="not yet"):
            kernel.call(module, "queue_worker", queue="letters", data=1, attempt=1, job_id="a")
        assert kernel.pushed == []
        assert kernel.call(module, "queue_worker", queue="letters", data=1, attempt=3, job_id="a") is None
        assert kernel.pushed == [("calls", {"after": ["letters", 1, "a", "ü"]})]
        assert queues.push("calls", None) != queues.push("calls", None)


def test_a_push_that_is_refused_says_why():
    with TestKernel(queues=["calls"]) as kernel:
        with pytest.raises(PushError, match=r"no-such-queue: .* declares no queue 'letters'") as refusal:
            queues.push("letters", 1)
        assert refusal.value.code == "no-such-queue"
        with pytest.raises(TypeError):
            queues.push("calls", object())
        with pytest.raises(ValueError, match="JSON compliant"):
            queues.push("calls", float("nan"))
        assert kernel.pushed == []


def test_render_elements_become_html_without_a_complaint():
    tree = container(
        markup("A <title>", tag="h2", weight=-1),
        None,
        markup("<p>Hi</p>", link("more", "/more", classes="button"), format="filtered_html"),
        list_(["one", markup("two", tag="em")], ordered=True),
        table([["a", 1], [None, link("b", "/b")]], header=["x", "y"], caption="Both"),
        image("/files/a.png", "A picture", attributes={"width": 10}),
        tag="section",
        classes=["post", "post--long"],
        footer=markup("end", tag="small", attributes={"title": "The end"}),
        absent=None,
    )
    rendered = render_tree(tree)
    assert rendered.complaints == ()
    assert str(rendered.html) == (
        '<section class="post post--long"><h2>A &lt;title&gt;</h2>'
        '<div><p>Hi</p><a href="/more" class="button">more</a></div>'
        "<ol><li>one</li><li><em>two</em></li></ol>"
        '<table><caption>Both</caption><thead><tr><th scope="col">x</th><th scope="col">y</th></tr></thead>'
        '<tbody><tr><td>a</td><td>1</td></tr><tr><td></td><td><a href="/b">b</a></td></tr></tbody></table>'
        '<img src="/files/a.png" alt="A picture" width="10" loading="lazy" decoding="async">'
        '<small title="The end">end</small></section>'
    )


@pytest.mark.story("3.2")
def test_an_exception_becomes_an_error_answer():
    def menu():
        raise LookupError("nowhere")

    with pytest.raises(TapFailedError) as failure:
        Plugin("sample", make_plugin(menu)).invoke("tap_menu", "{}")
    told = json.loads(failure.value.answer)
    assert (told["code"], told["type"], told["message"]) == ("tap-error", "LookupError", "nowhere")
    assert "in menu" in told["traceback"]


def test_a_plugin_describes_the_taps_it_has():
    plugin = Plugin("sample", make_plugin(lambda_named("perm"), lambda_named("menu")))
    assert json.loads(plugin.describe()) == {
        "name": "sample",
        "sdk": "0.1.0",
        "taps": ["tap_menu", "tap_perm"],
        "functions": [],
    }


def lambda_named(name):
    def function():
        return []

    function.__name__ = name
    return function


def test_a_tap_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(TapFailedError, match="implemented are tap_menu"):
        Plugin("sample", make_plugin(lambda_named("menu"))).invoke("tap_perm", "{}")


@pytest.mark.parametrize("name", ["nothing_like_it", "item_veiw"])
def test_a_function_that_is_no_tap_is_refused(name):
    with pytest.raises(TapDefinitionError, match=f"no tap for a function {name}"):
        tap(lambda_named(name))


def test_a_parameter_that_the_tap_does_not_have_is_refused():
    def item_view(item, user):
        return None

    with pytest.raises(TapDefinitionError, match="item_view asks for user, but this tap has: item, ctx"):
        tap(item_view)

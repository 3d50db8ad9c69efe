"""Paths of plugins: exact ones first, then patterns; parents become breadcrumbs; conflicts are told."""

import json

import pytest

from kernel.errors import PluginError
from kernel.tap.answers import MenuEntry
from kernel.tap.menu import Crumb, build_menu, get_page
from kernel.tap.registry import TapOptions

ENTRIES = [
    MenuEntry("/blog", "Blog"),
    MenuEntry("/blog/{id}", "One post", parent="/blog"),
    MenuEntry("/blog/archive", "Archive", parent="/blog"),
    MenuEntry("/blog/{id}/comments", "Comments", parent="/blog/{id}", weight=-1),
    MenuEntry("/blog/archive/{year}", "A year", parent="/blog/archive"),
    MenuEntry("/blog/{id}/{page}", "A page of a post", parent="/blog/{id}"),
]


def make_menu(*entries, plugin="blog"):
    return build_menu([(plugin, entries)], frozenset({plugin}))


@pytest.mark.story("3.16")
@pytest.mark.parametrize(
    ("path", "title", "args"),
    [
        ("/blog", "Blog", {}),
        ("/blog/123", "One post", {"id": "123"}),
        ("/blog/archive", "Archive", {}),
        ("/blog/123/comments", "Comments", {"id": "123"}),
        ("/blog/archive/2026", "A year", {"year": "2026"}),
        ("/blog/123/4", "A page of a post", {"id": "123", "page": "4"}),
        ("/blog/süß {x}", "One post", {"id": "süß {x}"}),
    ],
)
def test_a_path_finds_its_entry(path, title, args):
    match = make_menu(*ENTRIES).resolve(path)
    assert (match.path, match.entry.title, dict(match.args)) == (path, title, args)
    assert match.entry.plugin == "blog"


@pytest.mark.parametrize(
    "path", ["/", "", "blog", "/blog/", "/blog//comments", "/blog/1/2/3", "/blogs", "/blog/" + "x" * 2_000]
)
def test_a_path_of_nobody_finds_nothing(path):
    assert make_menu(*ENTRIES).resolve(path) is None


@pytest.mark.story("3.16")
def test_breadcrumbs_walk_the_parents_and_fill_their_arguments():
    menu = make_menu(*ENTRIES)
    assert menu.build_breadcrumbs(menu.resolve("/blog/123/comments")) == (
        Crumb("/blog", "Blog"),
        Crumb("/blog/123", "One post"),
        Crumb("/blog/123/comments", "Comments"),
    )
    assert menu.build_breadcrumbs(menu.resolve("/blog")) == (Crumb("/blog", "Blog"),)


def test_breadcrumbs_of_parents_in_a_circle_end():
    menu = make_menu(MenuEntry("/a", "A", parent="/b"), MenuEntry("/b", "B", parent="/a"))
    assert menu.build_breadcrumbs(menu.resolve("/a")) == (Crumb("/b", "B"), Crumb("/a", "A"))


def test_a_parent_that_nobody_has_is_told_and_left_out():
    menu = make_menu(MenuEntry("/a", "A", parent="/lost"))
    assert menu.complaints == (("blog", "Plugin 'blog', menu path '/a': the menu has no parent '/lost'."),)
    assert menu.build_breadcrumbs(menu.resolve("/a")) == (Crumb("/a", "A"),)


def test_entries_stand_in_order_of_weight():
    assert [entry.title for entry in make_menu(*ENTRIES).entries][:2] == ["Comments", "Blog"]


def test_the_plugin_that_comes_first_keeps_a_path():
    menu = build_menu(
        [
            ("first", [MenuEntry("/news", "News"), MenuEntry("/news/{id}", "One")]),
            ("second", [MenuEntry("/news", "Mine"), MenuEntry("/news/{number}", "Mine"), MenuEntry("/mine", "Mine")]),
        ],
        frozenset(),
    )  # fmt: skip  # one case a line
    assert menu.resolve("/news").entry.plugin == "first"
    assert menu.resolve("/news/1").args == {"id": "1"}
    assert menu.resolve("/mine").entry.plugin == "second"
    assert menu.complaints == (
        ("second", "Plugin 'second', menu path '/news': it belongs to the plugin 'first' already."),
        ("second", "Plugin 'second', menu path '/news/{number}': it belongs to the plugin 'first' already."),
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("blog", "starts with /"),
        ("/", "'/' is the kernel's own"),
        ("/admin", "'/admin' is the kernel's own"),
        ("/user/{id}", "'/user' is the kernel's own"),
        ("/item", "'/item' is the kernel's own"),
        ("/static/x.js", "'/static' is the kernel's own"),
        ("/job/1", "'/job' is the kernel's own"),
        ("/health", "'/health' is the kernel's own"),
        ("/{anything}", "the first segment cannot be a wildcard"),
        ("/blog/", "the segment '' must be"),
        ("/blog/../admin", "the segment '..' must be"),
        ("/blog/{Id}", "the segment '{Id}' must be"),
        ("/blog/a{id}", "the segment 'a{id}' must be"),
        ("/blog/<script>", "the segment '<script>' must be"),
        ("/blog/{id}/{id}", "two wildcards have the same name"),
    ],
)
def test_a_path_that_cannot_be_is_refused(path, reason):
    menu = make_menu(MenuEntry(path, "X"))
    ((plugin, sentence),) = menu.complaints
    assert plugin == "blog"
    assert reason in sentence
    assert menu.entries == ()


def test_a_function_needs_a_plugin_that_makes_pages():
    menu = build_menu([("blog", [MenuEntry("/blog", "Blog", function="front")])], frozenset({"page"}))
    assert menu.entries == ()
    assert "does not implement tap_page" in menu.complaints[0][1]


async def test_a_page_is_asked_of_the_plugin_whose_path_it_is(workshop):
    other = await workshop.load("other", page=TapOptions(weight=-1))
    probe = await workshop.load("probe", page=TapOptions())
    entry = MenuEntry("/probe/{number}", "One", function="one")
    match = make_menu(entry, plugin="probe").resolve("/probe/7")
    async with workshop.scope(other, probe) as scope:
        page = await get_page(scope, match)
        assert workshop.sandbox.live_instances == 1
    assert page.title == "Page one"
    told = json.loads(page.content["#value"])
    assert (told["path"], told["args"], told["function"]) == ("/probe/7", {"number": "7"}, "one")


async def test_a_page_that_fails_or_is_gone_raises(workshop):
    hostile = await workshop.load("hostile", "hostile", page=TapOptions())
    match = make_menu(MenuEntry("/x", "X", function="f"), plugin="hostile").resolve("/x")
    async with workshop.scope(hostile) as scope:
        with pytest.raises(PluginError, match="Plugin 'hostile', tap_page: is not implemented"):
            await get_page(scope, match)
    async with workshop.scope() as scope:
        with pytest.raises(PluginError, match="it is stopped or not loaded"):
            await get_page(scope, match)


TYPED = [
    MenuEntry("/poll/{id:uuid}", "A poll", parent="/poll"),
    MenuEntry("/poll/{number:int}", "By number"),
    MenuEntry("/poll/{word}", "Anything"),
    MenuEntry("/poll/{kind:name}/new", "New"),
    MenuEntry("/poll", "Polls"),
]


@pytest.mark.story("3.16")
@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/poll/0190a000-0000-7000-8000-000000000001", "A poll"),
        ("/poll/0190A000-0000-7000-8000-000000000001", "Anything"),
        ("/poll/17", "By number"),
        ("/poll/017", "Anything"),
        ("/poll/-1", "Anything"),
        ("/poll/1" + "0" * 18, "Anything"),
        ("/poll/stars/new", "New"),
    ],
)
def test_a_segment_with_a_kind_takes_nothing_else(path, title):
    assert make_menu(*TYPED).resolve(path).entry.title == title


def test_what_fits_no_kind_is_nobodys():
    assert make_menu(*TYPED).resolve("/poll/Stars!/new") is None


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (
            MenuEntry("/poll/{id:ulid}", "X"),
            "there is no kind 'ulid' of a segment; there are int, uuid, name",
        ),
        (MenuEntry("/poll/{id}/{id:int}", "X"), "two wildcards have the same name"),
        (MenuEntry("/poll/x", "X", is_task=True), "a task needs a parent, on whose page it is shown"),
    ],
)
def test_a_wrong_kind_or_task_is_told(entry, reason):
    assert make_menu(entry).complaints == (("blog", f"Plugin 'blog', menu path {entry.path!r}: {reason}."),)


TASKS = [
    MenuEntry("/blog/{id:int}", "View"),
    MenuEntry("/blog/{id:int}/comments", "Comments", parent="/blog/{id:int}", is_task=True),
    MenuEntry(
        "/blog/{id:int}/log", "Log", parent="/blog/{id:int}", is_task=True, weight=1, permission="read logs"
    ),
]


@pytest.mark.story("3.16")
@pytest.mark.parametrize(("path", "active"), [("/blog/3", "View"), ("/blog/3/comments", "Comments")])
def test_tasks_stand_on_the_page_of_their_parent_and_on_their_own(path, active):
    menu = make_menu(*TASKS)
    tasks = menu.list_tasks(menu.resolve(path))
    assert [(task.title, task.path) for task in tasks] == [
        ("View", "/blog/3"),
        ("Comments", "/blog/3/comments"),
        ("Log", "/blog/3/log"),
    ]
    assert [task.title for task in tasks if task.is_active] == [active]
    assert [task.permission for task in tasks] == ["", "", "read logs"]


def test_a_page_without_tasks_has_none():
    menu = make_menu(*ENTRIES)
    assert menu.list_tasks(menu.resolve("/blog")) == ()

"""The judge finds what is wrong, and only that: made-up logs against made-up content."""

from dataclasses import replace

import pytest

from tests.chaos.judge import Revision, StoredItem, judge
from tests.chaos.record import Asked, ClientLog, read_log

CREATE = Asked(1, "create", "blog", title="One", text="first", day="2026-05-02", accepted=[("i", "r1")])
UPDATE = Asked(
    2, "update", "blog", "i", "r1", title="Two", text="second", day="2026-06-02", accepted=[("i", "r2")]
)
DELETE = Asked(3, "delete", item="i", base="r2", accepted=[("i", "")])

ITEM = StoredItem("i", "blog", "Two", "second", "2026-06-02", "r2", frozenset({"june"}))
FIRST = Revision("r1", "i", "One", "first")
SECOND = Revision("r2", "i", "Two", "second")
# A second save of the update, as two workers make it.
TWIN = Revision("r3", "i", "Two", "second")
IMPORT = Asked(5, "import", "blog", title="One", text="first", day="2026-05-02", is_imported=True)
LINE = replace(ITEM, title="One", text="first", day="2026-05-02", current="r1", months=frozenset({"may"}))
THIRD = Asked(4, "update", "blog", "i", "r1", title="Three", text="third", day="", accepted=[("i", "r3")])
FORK = Revision("r3", "i", "Three", "third")


def find_kinds(requests, items, revisions):
    found = judge({request.number: request for request in requests}, items, revisions)
    return sorted({violation.kind for violation in found})


@pytest.mark.parametrize(
    ("requests", "items", "revisions"),
    [
        ([CREATE, UPDATE], [ITEM], [FIRST, SECOND]),
        ([CREATE, UPDATE, DELETE], [], []),
        # Never answered: it may have happened or not.
        ([CREATE, replace(UPDATE, accepted=[])], [ITEM], [FIRST, SECOND]),
        ([CREATE, replace(UPDATE, accepted=[]), replace(DELETE, accepted=[])], [], []),
        ([replace(CREATE, accepted=[])], [], []),
        # Somebody else was faster with an item that several people change.
        (
            [CREATE, UPDATE, replace(THIRD, accepted=[], refused=[409], is_shared=True)],
            [ITEM],
            [FIRST, SECOND],
        ),
        ([IMPORT], [LINE], [FIRST]),
        # An import that was never answered, or never came to its end.
        ([replace(IMPORT, is_imported=False)], [], []),
        ([replace(IMPORT, is_imported=False)], [LINE], [FIRST]),
        # Its id was named, and it is deleted again.
        ([replace(IMPORT, item="i"), DELETE], [], []),
        # Asked again, told the same.
        ([replace(CREATE, accepted=2 * CREATE.accepted), UPDATE], [ITEM], [FIRST, SECOND]),
    ],
    ids=[
        "saved",
        "deleted",
        "unknown-done",
        "unknown-deleted",
        "unknown-not-done",
        "conflict",
        "imported",
        "unknown-not-in",
        "unknown-in",
        "imported-deleted",
        "repeated",
    ],
)
def test_what_is_as_it_was_told_is_no_violation(requests, items, revisions):
    assert judge({request.number: request for request in requests}, items, revisions) == []


@pytest.mark.parametrize(
    ("requests", "items", "revisions", "kinds"),
    [
        ([CREATE], [], [], ["accepted and lost"]),
        (
            [CREATE, UPDATE],
            [replace(ITEM, current="r1")],
            [FIRST],
            ["accepted and lost", "index is not current", "other content"],
        ),
        ([CREATE, UPDATE], [ITEM], [FIRST, SECOND, TWIN], ["chain forks", "happened twice"]),
        ([CREATE, UPDATE, THIRD], [ITEM], [FIRST, SECOND, FORK], ["chain forks"]),
        ([CREATE, UPDATE], [ITEM], [SECOND], ["accepted and lost", "chain breaks"]),
        (
            [CREATE, UPDATE],
            [replace(ITEM, current="r1")],
            [FIRST, SECOND],
            ["not the last one"],
        ),
        ([CREATE, UPDATE, DELETE], [ITEM], [FIRST, SECOND], ["deleted and still there"]),
        ([CREATE, UPDATE], [replace(ITEM, text="else")], [FIRST, SECOND], ["other content"]),
        ([CREATE, UPDATE], [ITEM], [replace(FIRST, text="else"), SECOND], ["other content"]),
        ([CREATE, UPDATE], [replace(ITEM, months=frozenset())], [FIRST, SECOND], ["index is not current"]),
        (
            [CREATE, UPDATE],
            [replace(ITEM, months=frozenset({"may", "june"}))],
            [FIRST, SECOND],
            ["index is not current"],
        ),
        ([CREATE], [ITEM], [FIRST, SECOND], ["nobody asked for it", "not the last one"]),
        (
            [CREATE, replace(UPDATE, accepted=[], refused=[409], is_shared=True)],
            [ITEM],
            [FIRST, SECOND],
            ["refused and done"],
        ),
        (
            [CREATE, UPDATE, replace(THIRD, accepted=[], refused=[409])],
            [ITEM],
            [FIRST, SECOND],
            ["refused without a reason"],
        ),
        ([CREATE, replace(UPDATE, refused=[409])], [ITEM], [FIRST, SECOND], ["two answers"]),
        (
            [replace(CREATE, accepted=[("i", "r1"), ("j", "r9")]), UPDATE],
            [ITEM],
            [FIRST, SECOND],
            ["two answers"],
        ),
        ([IMPORT], [], [], ["accepted and lost"]),
        (
            [IMPORT],
            [LINE, replace(LINE, id="k", current="r9")],
            [FIRST, Revision("r9", "k", "One", "first")],
            ["happened twice"],
        ),
    ],
    ids=[
        "lost create",
        "lost update",
        "update twice",
        "fork",
        "first revision lost",
        "shows an old revision",
        "back after its deletion",
        "item with other text",
        "revision with other text",
        "not indexed",
        "indexed for an old revision as well",
        "strangers",
        "refused and done",
        "refused without a reason",
        "accepted and refused",
        "two items for one request",
        "lost line",
        "line that came in twice",
    ],
)
def test_what_differs_is_found(requests, items, revisions, kinds):
    assert find_kinds(requests, items, revisions) == kinds


def test_the_log_gives_back_what_was_asked_and_told(tmp_path):
    log = ClientLog(tmp_path / "clients")
    asked = {
        "act": "update",
        "type": "page",
        "item": "i",
        "base": "r1",
        "title": "T",
        "text": "x",
        "is_shared": True,
    }
    log.write(1, "asked", **asked)
    log.write(1, "lost", error="ReadTimeout")
    log.write(1, "promised", job="j")
    log.write(1, "accepted", item="i", revision="r2")
    log.write(2, "asked", act="delete", item="i")
    log.write(2, "refused", status=404, text="")
    log.write(3, "asked", act="delete", item="k")
    log.write(3, "given up")
    log.write(4, "asked", act="import", title="L")
    log.write(4, "imported")
    log.close()
    requests = read_log(tmp_path / "clients")
    assert requests[1] == Asked(1, **asked, accepted=[("i", "r2")], promised=["j"])
    assert [request.is_refused for request in requests.values()] == [False, True, False, False]
    assert [request.is_unknown for request in requests.values()] == [False, False, True, False]

"""The plugin in an ordinary Python, with a stand-in for the kernel."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import audit_trail
import pytest
from trovato_sdk.testing import TestKernel

MANIFEST = tomllib.loads(Path(audit_trail.__file__).with_name("audit_trail.info.toml").read_text())
TABLES = {name: table["columns"] for name, table in MANIFEST["tables"].items()}
ADA = "0190a000-0000-7000-8000-00000000000a"
ITEM = {"id": "0190a000-0000-7000-8000-000000000001", "type": "blog", "title": "House style", "fields": {}}
NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def kernel():
    with TestKernel(tables=TABLES, user_id=ADA) as kernel:
        yield kernel


def show(kernel, number=None):
    args = {} if number is None else {"number": str(number)}
    request = {"path": "/audit-trail", "args": args, "function": "trail"}
    return kernel.call(audit_trail, "page", request=request)["content"]


@pytest.mark.parametrize(
    ("tap", "action"), [("item_insert", "created"), ("item_update", "changed"), ("item_delete", "deleted")]
)
def test_what_happens_to_an_item_is_kept_with_who_did_it(kernel, tap, action):
    before = datetime.now(UTC)
    kernel.call(audit_trail, tap, item=ITEM)
    (row,) = kernel.rows["entry"].values()
    assert before <= datetime.fromisoformat(row.pop("at")) <= datetime.now(UTC)
    assert row.pop("id")
    assert row == {
        "user_id": ADA,
        "action": action,
        "item_id": ITEM["id"],
        "type": "blog",
        "title": "House style",
    }


def test_the_page_shows_the_latest_first_and_links_to_what_is_still_there(kernel):
    kernel.call(audit_trail, "item_insert", item=ITEM)
    kernel.call(audit_trail, "item_delete", item={**ITEM, "title": "Gone"})
    newest, oldest = show(kernel)["entries"]["#rows"]
    assert newest[1:] == ["deleted", "Gone", "blog", ADA]
    assert oldest[2]["#attributes"]["href"] == f"/item/{ITEM['id']}"


def add_entries(count):
    for minutes in range(count):
        at = (NOW + timedelta(minutes=minutes)).isoformat()
        entry = {"at": at, "user_id": ADA, "action": "changed", "item_id": ITEM["id"], "type": "blog"}
        audit_trail.db.insert("entry", {**entry, "title": f"Entry {minutes}"})


def test_there_are_as_many_pages_as_it_takes(kernel):
    add_entries(audit_trail.PAGE_SIZE + 1)
    first, second = show(kernel), show(kernel, 2)
    assert (len(first["entries"]["#rows"]), first["entries"]["#rows"][0][0]) == (50, "2026-03-05 12:50:00")
    assert (first["older"]["#attributes"]["href"], "newer" in first) == ("/audit-trail/2", False)
    assert [row[2]["#value"] for row in second["entries"]["#rows"]] == ["Entry 0"]
    assert ("older" in second, second["newer"]["#attributes"]["href"]) == (False, "/audit-trail/1")


@pytest.mark.parametrize("number", ["0", "-1", "x", "²", "9999999999"])
def test_a_page_that_is_no_number_is_the_first(kernel, number):
    add_entries(1)
    assert len(show(kernel, number)["entries"]["#rows"]) == 1


def test_an_empty_page_says_so(kernel):
    assert show(kernel)["entries"]["#value"] == "Nothing has changed yet."
    assert show(kernel, 2)["entries"]["#value"] == "There is nothing older."


def test_nobody_is_called_nobody():
    with TestKernel(tables=TABLES) as kernel:
        kernel.call(audit_trail, "item_insert", item=ITEM)
        assert show(kernel)["entries"]["#rows"][0][-1] == "nobody"


def test_cron_removes_once_a_day_what_is_older_than_a_year(kernel):
    add_entries(2)
    later = NOW + timedelta(days=365, seconds=30)
    assert (
        kernel.call(audit_trail, "cron", now=later, last_run=later - timedelta(hours=1), slot=later) is None
    )
    assert kernel.call(audit_trail, "cron", now=later, slot=later) == "Removed what was older than a year: 1"
    assert [row["title"] for row in kernel.rows["entry"].values()] == ["Entry 1"]

"""The plugin in an ordinary Python, with a stand-in for the kernel."""

import tomllib
from pathlib import Path

import pytest
import related_items
from trovato_sdk.testing import TestKernel

MANIFEST = tomllib.loads(Path(related_items.__file__).with_name("related_items.info.toml").read_text())
TABLES = {name: table["columns"] for name, table in MANIFEST["tables"].items()}


@pytest.fixture
def kernel():
    with TestKernel(tables=TABLES, permissions=["access content"]) as kernel:
        yield kernel


def save(kernel, number, title, *, tap="item_insert", status=1):
    kernel.call(related_items, tap, item=make_item(number, title, status))
    kernel.cached.clear()  # as the kernel does when rows change


def make_item(number, title="", status=1):
    return {"id": f"0190a000-0000-7000-8000-{number:012}", "title": title, "status": status, "fields": {}}


def show(kernel, number):
    """The titles below the item."""
    shown = kernel.call(related_items, "item_view", item=make_item(number))
    return [entry["#value"] for entry in shown["child_2"]["#items"]] if shown else []


def test_items_that_share_words_show_each_other(kernel):
    save(kernel, 1, "Growing tomatoes in pots")
    save(kernel, 2, "Tomatoes from the oven")
    save(kernel, 3, "Growing POTS of tomatoes")
    save(kernel, 4, "Something else")
    assert show(kernel, 1) == ["Growing POTS of tomatoes", "Tomatoes from the oven"]
    assert show(kernel, 2) == ["Growing POTS of tomatoes", "Growing tomatoes in pots"]
    assert show(kernel, 4) == []


def test_another_title_finds_other_items(kernel):
    save(kernel, 1, "Growing tomatoes")
    save(kernel, 2, "Tomatoes from the oven")
    save(kernel, 2, "Bread from the oven", tap="item_update")
    assert (show(kernel, 1), show(kernel, 2)) == ([], [])


def test_what_is_gone_is_shown_nowhere(kernel):
    save(kernel, 1, "Growing tomatoes")
    save(kernel, 2, "Tomatoes from the oven")
    save(kernel, 2, "Tomatoes from the oven", tap="item_delete")
    assert show(kernel, 1) == []
    assert [len(kernel.rows[table]) for table in ("item", "word", "pair")] == [1, 2, 0]


def test_a_draft_is_named_nowhere_until_it_is_published(kernel):
    save(kernel, 1, "Growing tomatoes")
    save(kernel, 2, "Secret tomatoes", status=0)
    assert show(kernel, 1) == []
    save(kernel, 2, "Secret tomatoes", tap="item_update")
    assert show(kernel, 1) == ["Secret tomatoes"]


def test_who_may_see_no_content_is_told_of_none():
    with TestKernel(tables=TABLES) as kernel:
        save(kernel, 1, "Growing tomatoes")
        save(kernel, 2, "Tomatoes from the oven")
        assert show(kernel, 1) == []


def test_a_title_of_many_words_and_many_relations_stays_within_bounds(kernel):
    for number in range(1, 30):
        save(kernel, number, f"Tomatoes {'abcdefghijklmnopqrstuvwxyz'[number % 26] * 4}")
    save(kernel, 40, " ".join(f"{'word' * (n + 1)}" for n in range(50)) + " tomatoes")
    save(kernel, 41, "Tomatoes")
    mine = make_item(41)["id"]
    assert sum(row["item_id"] == mine for row in kernel.rows["pair"].values()) == related_items.RELATED_MAX
    assert len(show(kernel, 41)) == related_items.SHOWN_MAX


def test_the_list_is_read_once_for_many_requests(kernel):
    save(kernel, 1, "Growing tomatoes")
    save(kernel, 2, "Tomatoes from the oven")
    assert show(kernel, 1) == ["Tomatoes from the oven"]
    kernel.rows["pair"].clear()
    assert show(kernel, 1) == ["Tomatoes from the oven"]

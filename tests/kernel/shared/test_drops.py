"""The bookkeeping of drops alone: what is current after which news."""

import pytest

from kernel.shared.drops import LONGEST_NAME, MAX_VERSIONS, Drops, short_name, short_names


@pytest.fixture
def drops():
    drops = Drops()
    drops.apply(100, 0, 100, {})
    return drops


def test_the_first_news_sets_epoch_and_floor(drops):
    assert (drops.epoch, drops.known, drops.floor) == (100, 100, 100)
    assert not drops.is_current(99, [])
    assert drops.is_current(100, ["a"])


def test_a_drop_ends_what_was_made_before_it(drops):
    assert drops.apply(100, 100, 110, {"a": 110})
    assert not drops.is_current(109, ["a"])
    assert drops.is_current(110, ["a"])
    assert drops.is_current(100, ["b"])
    assert drops.known == 110


def test_news_with_a_gap_apply_but_are_not_known_up_to(drops):
    assert not drops.apply(100, 105, 110, {"a": 110})
    assert not drops.is_current(100, ["a"])
    assert drops.known == 100
    assert drops.apply(100, 100, 110, {"b": 105, "a": 110})
    assert drops.known == 110


def test_old_news_take_nothing_back(drops):
    drops.apply(100, 100, 120, {"a": 120})
    assert drops.apply(100, 100, 110, {"a": 110})
    assert drops.known == 120
    assert not drops.is_current(115, ["a"])


def test_a_new_epoch_ends_everything_and_an_old_one_is_ignored(drops):
    drops.apply(200, 200, 205, {"a": 205})
    assert (drops.epoch, drops.known, drops.floor) == (200, 205, 205)
    assert not drops.is_current(204, [])
    assert drops.apply(100, 0, 900, {"a": 900})
    assert (drops.epoch, drops.known) == (200, 205)


def test_too_many_drops_to_name_end_everything(drops):
    assert drops.apply(100, 100, 150, None)
    assert not drops.is_current(149, ["whatever"])
    assert drops.is_current(150, ["whatever"])


def test_too_many_tags_are_forgotten_safely(drops):
    tags = {f"t{number}": 101 + number for number in range(MAX_VERSIONS + 1)}
    last = 101 + MAX_VERSIONS
    drops.apply(100, 100, last, tags)
    assert drops._versions == {}
    assert not drops.is_current(last - 1, ["t0"])
    assert drops.is_current(last, ["t0"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a\nb",
        "ä",
        "\ud800",
        "x" * (LONGEST_NAME + 1),
        "-generation",
        "-epoch",
        "#hash",
        "\x00",
        "a\x7f",
    ],
    ids=ascii,
)
def test_hostile_names_become_hashes(text):
    name = short_name(text)
    assert len(name) == 65
    assert name[0] == "#"
    assert name.isascii()


def test_ordinary_names_stay_readable():
    assert short_name("item:0197") == "item:0197"
    assert short_names(["b", "a", "b"]) == ["a", "b"]

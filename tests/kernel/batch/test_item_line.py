"""What an export writes, an import reads; a refused line is mended where it stands."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.batch.item_line import KEYS, REFUSED_KEY, LineError, make_id, read_line, write_line, write_refused
from kernel.ids import uuid7
from kernel.item.model import Item

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001  # the zone is set
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ITEMS = st.builds(
    Item,
    id=st.uuids(),
    type=st.just("note"),
    title=TEXT,
    author_id=st.uuids(),
    author_name=TEXT.map(lambda text: text.replace("\x00", "")),
    status=st.integers(0, 1),
    promote=st.booleans(),
    sticky=st.booleans(),
    created=TIMES,
    changed=TIMES,
    fields=st.dictionaries(TEXT, st.fixed_dictionaries({"value": JSON}), max_size=3),
    revision_id=st.uuids(),
)


@given(ITEMS)
def test_a_written_line_reads_as_the_same_item(item):
    text = write_line(item).decode()
    assert "\n" not in text
    line = read_line(text, "")
    assert (line.id, line.type, line.title, line.author) == (item.id, "note", item.title, item.author_name)
    assert (line.status, line.promote, line.sticky) == (item.status, item.promote, item.sticky)
    assert (line.created, line.changed, line.fields) == (item.created, item.changed, item.fields)
    assert tuple(orjson.loads(text)) == KEYS


def read(text):
    try:
        return read_line(text, "")
    except LineError as mistake:
        return str(mistake)


@given(ITEMS, TEXT)
def test_a_refused_line_reads_as_it_did_also_after_several_times(item, message):
    text = write_line(item).decode()
    once = write_refused(7, message, f" {text} ").decode()
    assert once.endswith(text[1:])
    assert orjson.loads(once)[REFUSED_KEY] == {"line": 7, "message": message}
    twice = write_refused(8, "again", once).decode()
    assert orjson.loads(twice)[REFUSED_KEY] == {"line": 8, "message": "again"}
    assert read(text) == read(once) == read(twice)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_what_is_no_object_is_held_as_text(text):
    try:
        is_object = isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        is_object = False
    refused = write_refused(1, "no", text).decode()
    assert "\n" not in refused.strip() or is_object
    if not is_object:
        assert orjson.loads(refused)["text"] == text
        assert "There is no key 'text'" in read(refused)


@given(JSON | st.dictionaries(st.sampled_from([*KEYS, "x"]), JSON, max_size=4))
def test_whatever_json_it_is_there_is_a_line_or_a_sentence(document):
    assert read(orjson.dumps(document).decode())


@pytest.mark.parametrize("value", [1, 0, 1.0, None, "true", []])
def test_true_and_false_are_nothing_else(value):
    assert read(orjson.dumps({"type": "note", "status": value}).decode()) == "status must be true or false."


def test_ids_that_are_made_sort_by_line_and_are_the_same_whenever_they_are_made():
    root = uuid7()
    numbers = [*range(1, 300), 10**6, 2**33]
    ids = [make_id(root, number) for number in numbers]
    assert ids == sorted(set(ids))
    assert ids == [make_id(root, number) for number in numbers]
    assert {(made.version, made.variant) for made in ids} == {(7, RFC_4122)}
    assert {made.int >> 80 for made in ids} == {root.int >> 80}
    assert not set(ids) & {make_id(uuid7(), number) for number in numbers}


def test_moments_are_kept_whatever_their_zone():
    line = read_line('{"type": "note", "created": "2020-02-29T12:00:00.000001+02:00"}', "")
    assert line.created == datetime(2020, 2, 29, 10, 0, tzinfo=UTC) + timedelta(microseconds=1)

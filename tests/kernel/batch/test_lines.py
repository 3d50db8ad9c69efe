"""Files become lines, lines chunks, and chunks the same lines again."""

import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.batch.lines import (
    CHUNK_BYTES,
    CHUNK_LINES,
    LINE_MAX,
    build_chunks,
    check_beginning,
    count_bytes,
    keep_refused,
    read_lines,
    split_chunk,
)
from kernel.errors import BadInput

LINES = st.lists(st.text().map(lambda text: text.replace("\n", "")))


def read(data):
    return list(read_lines(io.BytesIO(data)))


@given(LINES)
def test_chunks_hold_the_same_lines(lines):
    assert [line for chunk in build_chunks(lines) for line in split_chunk(chunk)] == lines


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_file_can_be_stored(data):
    try:
        lines = read(data)
    except BadInput:
        return
    for line in lines:
        assert "\x00" not in line
        assert "\n" not in line
        line.encode()


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(-9, 9)), max_size=5))
def test_json_comes_through_a_file_unchanged(documents):
    data = b"".join(orjson.dumps(document) + b"\n" for document in documents)
    assert [orjson.loads(line) for line in read(data)] == documents


def test_a_chunk_has_an_end_by_lines_and_by_bytes():
    assert [len(split_chunk(chunk)) for chunk in build_chunks(["x"] * (CHUNK_LINES + 1))] == [CHUNK_LINES, 1]
    half = "é" * (CHUNK_BYTES // 4)
    assert [len(split_chunk(chunk)) for chunk in build_chunks([half] * 3)] == [1, 1, 1]
    assert [len(split_chunk(chunk)) for chunk in build_chunks([half[1:]] * 3)] == [2, 1]
    longest = "x" * (LINE_MAX + 1)
    assert [len(chunk) for chunk in build_chunks(["", longest, ""])] == [1, LINE_MAX + 2, 1]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("size", "kept"), [(LINE_MAX, LINE_MAX), (LINE_MAX + 1, LINE_MAX + 1), (LINE_MAX + 9, LINE_MAX + 1)]
)
def test_the_longest_line_is_whole_and_a_longer_one_can_be_told(size, kept, end):
    lines = read(b"x" * size + end + (b"next" if end else b""))
    assert [len(line) for line in lines] == [kept, 4][: 1 + bool(end)]


def test_what_is_kept_of_a_line_that_is_too_long_never_reads_as_a_line():
    """A whole document followed by blanks without end would come in as something that nobody has written."""
    line = '{"type": "note", "title": "x"}' + " " * LINE_MAX
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(keep_refused(line))
    assert keep_refused("short") == "short"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        pytest.param(b"\x1f\x8b\x08", "compressed", id="gzip"),
        pytest.param(b"PK\x03\x04", "compressed", id="zip"),
        pytest.param(b"BZh9", "compressed", id="bzip2"),
        pytest.param(b"\xfd7zXZ\x00", "compressed", id="xz"),
        pytest.param(b"\x28\xb5\x2f\xfd", "compressed", id="zstd"),
        pytest.param(b"\xff\xfe{\x00", "UTF-16", id="utf-16"),
    ],
)
def test_a_file_that_is_no_text_is_named(head, words):
    with pytest.raises(BadInput, match=words):
        check_beginning(head)


@given(st.text())
def test_bytes_are_counted_as_they_are_stored(text):
    assert count_bytes(text) == len(text.encode())

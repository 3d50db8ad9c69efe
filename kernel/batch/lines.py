"""Turns a file into lines that can be stored, and lines into chunks of a job's input."""

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from kernel.errors import BadInput

# In bytes of UTF-8. A longer line is cut one byte beyond, so that whoever reads it can tell.
LINE_MAX: Final = 4_000_000
KEPT_OF_A_LONG_LINE: Final = 1_000
# A chunk is a slice of the work: its transaction is short, and has enough in it to be worth its commit.
CHUNK_LINES: Final = 200
CHUNK_BYTES: Final = 2_000_000

# What PostgreSQL cannot store is replaced by the control character SUBSTITUTE, which no JSON holds: such a line is
# refused and never silently altered.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_SUBSTITUTE: Final = "\x1a"
# How files by gzip, zip, bzip2, xz and zstd begin.
_COMPRESSED: Final = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_BOM: Final = b"\xef\xbb\xbf"
_SKIP_BYTES: Final = 1_000_000


def read_lines(file: BinaryIO) -> Iterator[str]:
    """Every line without its end, also empty ones, from where the file stands. Raises BadInput for what is no text
    in UTF-8 as a whole, such as a compressed file."""
    is_first = True
    while line := file.readline(LINE_MAX + 2):
        if is_first:
            check_beginning(line)
            line = line.removeprefix(_BOM)
            is_first = False
        if not line.endswith(b"\n"):
            while (rest := file.readline(_SKIP_BYTES)) and not rest.endswith(b"\n"):
                pass
        text = line.rstrip(b"\r\n")[: LINE_MAX + 1].decode(errors="surrogateescape")
        yield _UNSTORABLE.sub(_SUBSTITUTE, text)


def check_beginning(head: bytes) -> None:
    """Raises BadInput, naming what to do."""
    if head.startswith(_COMPRESSED):
        raise BadInput("This file is compressed. Unpack it first.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput("This file is not UTF-8 but UTF-16. Save it as UTF-8 first.")


def build_chunks(lines: Iterable[str]) -> Iterator[str]:
    """Each of whole lines, every line with a line break at its end."""
    chunk: list[str] = []
    size = 0
    for line in lines:
        length = count_bytes(line) + 1
        if chunk and (len(chunk) >= CHUNK_LINES or size + length > CHUNK_BYTES):
            yield "".join(chunk)
            chunk, size = [], 0
        chunk.append(f"{line}\n")
        size += length
    if chunk:
        yield "".join(chunk)


def keep_refused(text: str) -> str:
    """The line for the error file, or the beginning of one that is too long to be kept, which then is no JSON."""
    return text if count_bytes(text) <= LINE_MAX else text[:KEPT_OF_A_LONG_LINE] + _SUBSTITUTE


def count_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def split_chunk(chunk: str) -> list[str]:
    """Its lines. Not `splitlines`, which knows more line breaks than a file of lines."""
    return chunk.split("\n")[:-1]

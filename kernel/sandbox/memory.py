"""Tells how large the linear memories of this process's instances are, from the kernel's list of its mappings.

wasmtime's C interface shows no memory of a component. A component's memory begins with a private copy of the image in
the file of its native code, which no other mapping is; it goes on, without a gap, as far as the instance has let it
grow. It never shrinks, so at the end of an instance's life this is the most that it had.
"""

import re
from pathlib import Path
from typing import Final

_MAPS: Final = Path("/proc/self/maps")
_LINE: Final = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \S+ *(.*)$", re.MULTILINE)


def read_linear_memories() -> dict[int, int]:
    """Bytes by address; empty where the system has no such list. Takes about a millisecond."""
    try:
        maps = _MAPS.read_bytes()
    except OSError:
        return {}
    memories: dict[int, int] = {}
    begin = end = 0
    is_memory = False
    for line in _LINE.finditer(maps):
        if line[3] != b"rw-p":
            continue
        start = int(line[1], 16)
        if start != end:
            if is_memory:
                memories[begin] = end - begin
            begin, is_memory = start, False
        end = int(line[2], 16)
        is_memory = is_memory or line[4].endswith(b".cwasm")
    if is_memory:
        memories[begin] = end - begin
    return memories

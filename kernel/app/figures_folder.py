"""The folder in which the web processes of one parent share what they count; it lives as long as the parent."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self


class FiguresFolder:
    """Held by a lock that the system takes away with the process, so that the next parent can tell what was left
    behind from what another one uses."""

    def __init__(self, path: Path, held: int) -> None:
        self.path = path
        self._held = held

    @classmethod
    def open(cls, var: Path) -> Self:
        """A new and empty one below `var`; those of parents that were killed are removed."""
        place = var / "metrics"
        place.mkdir(parents=True, exist_ok=True)
        # One parent at a time: a folder that was made a moment ago is not held yet.
        with _hold(place):
            for left in place.iterdir():
                if (held := _try_to_hold(left)) is not None:
                    shutil.rmtree(left, ignore_errors=True)
                    os.close(held)
            path = Path(tempfile.mkdtemp(dir=place))
            held = os.open(path, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
        return cls(path, held)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)


@contextmanager
def _hold(folder: Path) -> Iterator[None]:
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _try_to_hold(folder: Path) -> int | None:
    number = os.open(folder, os.O_RDONLY)
    with suppress(BlockingIOError):
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return number
    os.close(number)
    return None

"""What one process knows about dropped tags, and by it which of its entries are still current.

Pure bookkeeping: it knows no Redis, so that every order of events can be tried on it.
"""

import hashlib
import time
from collections.abc import Collection, Mapping

# More tags than this are forgotten together, by trusting nothing older than now.
MAX_VERSIONS = 10_000
LONGEST_NAME = 200


class Drops:
    """`known`: every drop up to this generation has been applied here. `floor`: nothing made before it is
    trusted.

    `changes` grows with everything that may make an entry invalid, so that an entry checked once need not be
    checked again until then. `fresh_until` (monotonic seconds) is how long entries may be served without
    news.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.known = 0
        self.floor = 0
        self.changes = 0
        self.fresh_until = 0.0
        self._versions: dict[str, int] = {}

    def apply(self, epoch: int, since: int, generation: int, dropped: Mapping[str, int] | None) -> bool:
        """Take note of `dropped`, which are all drops after `since` up to `generation`, or None when they are
        too many to name. The answer is False when drops between `known` and `since` are missing here; then
        `known` stays, and somebody has to ask for them."""
        if epoch < self.epoch:
            return True
        if epoch > self.epoch or dropped is None:
            self.restart(epoch, generation)
            return True
        if dropped:
            for tag, version in dropped.items():
                if version > self._versions.get(tag, 0):
                    self._versions[tag] = version
            self.changes += 1
        if since > self.known:
            return False
        self.known = max(self.known, generation)
        if len(self._versions) > MAX_VERSIONS:
            self.restart(self.epoch, self.known)
        return True

    def restart(self, epoch: int, generation: int) -> None:
        """Trust nothing made before `generation`."""
        self.known = max(self.known, generation)
        self.epoch = epoch
        self.floor = self.known
        self._versions.clear()
        self.changes += 1

    def is_current(self, generation: int, tags: Collection[str]) -> bool:
        """Whether data read at `generation` is untouched by every drop of its tags that is known here."""
        if generation < self.floor:
            return False
        versions = self._versions
        return all(versions.get(tag, 0) <= generation for tag in tags)

    def is_fresh(self) -> bool:
        return time.monotonic() < self.fresh_until


def short_name(text: str) -> str:
    """A key or tag as Redis and the scripts see it: printable ASCII without spaces, of bounded length. Others
    are hashed, whatever they hold, so that no text of a visitor or a plugin can be too long or mean something
    else."""
    if (
        0 < len(text) <= LONGEST_NAME
        and text.isascii()
        and text.isprintable()
        and " " not in text
        and text[0] not in "-#"
    ):
        return text
    return "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def short_names(tags: Collection[str]) -> list[str]:
    return sorted({short_name(tag) for tag in tags})

"""The stand-in for the kernel's cache, as `TestKernel` has it."""

import json
from typing import Any


class Cache:
    """`values` by bin and key; nothing in it grows old."""

    def __init__(self, values: dict[tuple[str, str], Any]) -> None:
        self._values = values
        self._tags: dict[tuple[str, str], frozenset[str]] = {}

    def get(self, bin: str, key: str) -> str | None:  # noqa: A002  # the kernel's own word
        if (bin, key) not in self._values:
            return None
        return json.dumps(self._values[bin, key])

    def set(self, bin: str, key: str, value: str, tags_json: str) -> bool:  # noqa: A002  # as above
        self._values[bin, key] = json.loads(value)
        self._tags[bin, key] = frozenset(json.loads(tags_json))
        return True

    def invalidate_tag(self, tag: str) -> bool:
        for place in [place for place, tags in self._tags.items() if tag in tags]:
            del self._values[place], self._tags[place]
        return True

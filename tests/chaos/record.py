"""The log that the clients keep: what they asked for and what they were told, a line each, flushed at once.

It is written before a request is sent and after each answer, so it does not depend on anything that the site remembers.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import orjson


@dataclass(slots=True)
class Asked:
    """One request, however often it was sent. `base` is the revision that an update started from. `title` is its own
    and nobody else's. `is_shared`: others may change the item too, so a conflict is an ordinary answer. `is_imported`:
    it was a line of an import that said it was through."""

    number: int
    act: str
    type: str = ""
    item: str | None = None
    base: str | None = None
    title: str = ""
    text: str = ""
    day: str = ""
    is_shared: bool = False
    accepted: list[tuple[str, str]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    promised: list[str] = field(default_factory=list)
    is_imported: bool = False

    @property
    def is_accepted(self):
        return bool(self.accepted)

    @property
    def is_refused(self):
        return bool(self.refused) and not self.accepted

    @property
    def is_unknown(self):
        return not self.accepted and not self.refused and not self.is_imported

    @property
    def told_item(self):
        return self.accepted[0][0] if self.accepted else self.item

    def __str__(self):
        return f"request {self.number} ({self.act} {self.title or self.item})"


class ClientLog:
    """Appended to by all clients of a run."""

    def __init__(self, path: Path):
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, number, event, **values):
        os.write(self._file, orjson.dumps({"number": number, "event": event, **values}) + b"\n")

    def close(self):
        os.close(self._file)


def read_log(path: Path) -> dict[int, Asked]:
    """The requests by their numbers."""
    requests: dict[int, Asked] = {}
    for line in path.read_bytes().splitlines():
        values = orjson.loads(line)
        number, event = values.pop("number"), values.pop("event")
        if event == "asked":
            requests[number] = Asked(number, **values)
            continue
        request = requests[number]
        match event:
            case "accepted":
                request.accepted.append((values["item"], values["revision"]))
            case "refused":
                request.refused.append(values["status"])
            case "imported":
                request.is_imported = True
            case "promised":
                request.promised.append(values["job"])
    return requests

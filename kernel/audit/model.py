"""An entry of the audit log: as it is noted, and as it is read again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

# Lets somebody read the log, in which addresses of people stand too.
VIEW_AUDIT: Final = "administer audit log"
LABEL_MAX: Final = 300
ID_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """`action` is `subject.verb`, such as `item.delete`. `details` is JSON in which nothing secret may stand: no
    password, no token, and nothing that somebody typed into a field for one."""

    action: str
    subject_kind: str
    subject_id: str = ""
    subject_label: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who did it, and from where, as far as is known."""

    actor_id: UUID
    request_id: str = ""
    client_address: str = ""
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the table `audit_event`."""

    id: UUID
    at: datetime
    actor_id: UUID
    actor_name: str
    action: str
    subject_kind: str
    subject_id: str
    subject_label: str
    details: dict[str, Any]
    request_id: str
    client_address: str
    job_id: UUID | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to list: with an empty or absent value, all. `area` is the first half of an action, `subject` an id
    or a part of a label; that of an item is its title, which is looked into `by_title` alone."""

    action: str = ""
    area: str = ""
    actor_id: UUID | None = None
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    by_title: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing goes on: behind this event."""

    at: datetime
    id: UUID

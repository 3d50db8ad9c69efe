"""The tables of docs/jobs.md are what the code says."""

import re
from dataclasses import MISSING, fields
from typing import get_type_hints

from kernel.cron.prune import BATCH
from kernel.jobs import JOB_KINDS
from kernel.ledger.model import TRANSITIONS, JobStatus
from tests.checks.sources import ROOT

MEANINGS = {
    JobStatus.QUEUED: "it waits for a worker, or for its time",
    JobStatus.RUNNING: "a worker has claimed it",
    JobStatus.DONE: "its effect is committed; `result` says which",
    JobStatus.FAILED: "an error that would only come again",
    JobStatus.DEAD: "every try was used up",
    JobStatus.CANCELLED: "somebody asked for that before it was done",
}


def name_type(kind):
    return (kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)).replace(
        "typing.", ""
    )


def describe_payload(payload):
    """Its fields; those with a default may be missing."""
    kinds = get_type_hints(payload)
    parts = []
    for field in fields(payload):
        optional = field.default is not MISSING or field.default_factory is not MISSING
        kind = re.sub(r"\b(?:uuid|datetime)\.", "", name_type(kinds[field.name])).replace(" | ", " or ")
        parts.append(f"`{field.name}`{'?' if optional else ''} {kind}")
    return ", ".join(parts)


def build_kinds():
    lines = [
        "| kind | payload (`?`: may be missing) | lane | priority | at once | time | tries | safe to repeat |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in JOB_KINDS.values():
        cells = (
            f"`{kind.name}`",
            describe_payload(kind.payload),
            kind.lane,
            str(kind.priority),
            "any" if kind.at_once is None else str(kind.at_once),
            f"{kind.timeout_s:g} s",
            str(kind.max_attempts),
            kind.idempotence,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def build_statuses():
    lines = ["| status | meaning | may become |", "|---|---|---|"]
    for status, following in TRANSITIONS.items():
        names = ", ".join(f"`{other}`" for other in JobStatus if other in following) or "nothing else"
        lines.append(f"| `{status}` | {MEANINGS[status]} | {names} |")
    return "\n".join(lines)


def read_part(name):
    text = (ROOT / "docs/jobs.md").read_text(encoding="utf-8")
    part = re.search(rf"<!-- {name}: made from [\w/.]+ -->\n(.*?)\n?<!-- end of {name} -->", text, re.DOTALL)
    assert part, f"docs/jobs.md has lost its table of {name}"
    return part[1]


def test_the_kinds_are_those_of_the_code():
    assert read_part("kinds") == build_kinds()


def test_the_statuses_are_those_of_the_code():
    assert read_part("statuses") == build_statuses()


def test_old_jobs_are_removed_so_many_at_a_time():
    assert f"`prune_jobs`, {BATCH:,} at a time" in (ROOT / "docs/jobs.md").read_text(encoding="utf-8")

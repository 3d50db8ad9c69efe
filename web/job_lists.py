"""Lists of jobs: what may be asked for, and the answer as a page, as the rows of one, and as JSON."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Final
from uuid import UUID

from quart import Response, request

from kernel.clock import find_zone, first_moment
from kernel.errors import BadInput
from kernel.form.render import render_token
from kernel.ids import parse_uuid
from kernel.jobs import JOB_KINDS
from kernel.ledger.lists import ATTENTION, COUNTED, JobPage
from kernel.ledger.model import UNFINISHED, JobStatus
from kernel.names import has_forbidden_text
from web.job_view import describe_line, name_kind
from web.respond import NO_STORE, answer_json, show_page
from web.visit import Visit

PAGE_SIZE: Final = 25
NAME_MAX: Final = 60
_DAY: Final = re.compile(r"[12]\d{3}-\d\d-\d\d")
# Ids hold their time since 1970; nothing of a site is older than this.
_FIRST_YEAR: Final = 2000

# The value in the address, the word on the page, and what it stands for.
STATUS_CHOICES: Final[tuple[tuple[str, str, frozenset[JobStatus]], ...]] = (
    ("", "All", frozenset()),
    ("unfinished", "Under way", frozenset(UNFINISHED)),
    ("attention", "Needs attention", frozenset(ATTENTION)),
    ("queued", "Waiting", frozenset({JobStatus.QUEUED})),
    ("running", "Running", frozenset({JobStatus.RUNNING})),
    ("done", "Done", frozenset({JobStatus.DONE})),
    ("failed", "Failed", frozenset({JobStatus.FAILED})),
    ("dead", "Given up", frozenset({JobStatus.DEAD})),
    ("cancelled", "Cancelled", frozenset({JobStatus.CANCELLED})),
)
# Shown as tabs with a number; the others are in the list of states.
TABS: Final = ("", "unfinished", "attention")


@dataclass(frozen=True, slots=True)
class ChosenFilter:
    """What was asked for, and in `query` how the address says it."""

    statuses: frozenset[JobStatus]
    kind: str
    actor: str
    since: datetime | None
    before: UUID | None
    query: dict[str, str]

    @property
    def is_filtered(self) -> bool:
        return any(self.query.values())


def read_filter(args: Mapping[str, str], timezone: str) -> ChosenFilter:
    """A day begins where the reader is. Raises BadInput, naming what is wrong and what would be right."""
    query = {name: args.get(name, "").strip() for name in ("status", "kind", "actor", "since")}
    statuses = {value: statuses for value, _, statuses in STATUS_CHOICES}
    if query["status"] not in statuses:
        known = ", ".join(value for value in statuses if value)
        raise BadInput(f"There is no such state of a job. There are: {known}.")
    if query["kind"] and query["kind"] not in JOB_KINDS:
        raise BadInput(f"There is no such kind of job. There are: {', '.join(sorted(JOB_KINDS))}.")
    if len(query["actor"]) > NAME_MAX or has_forbidden_text(query["actor"]):
        raise BadInput(f"A name has {NAME_MAX} characters at most.")
    before = args.get("before", "").strip()
    before_id = parse_uuid(before) if before else None
    if before and before_id is None:
        raise BadInput("The list cannot go on there. Start again at its first page.")
    return ChosenFilter(
        statuses[query["status"]],
        query["kind"],
        query["actor"],
        _read_day(query["since"], find_zone(timezone)),
        before_id,
        query,
    )


def _read_day(text: str, zone: tzinfo) -> datetime | None:
    """When the day begins there."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day.year < _FIRST_YEAR:
        raise BadInput(f"The day must look like 2026-03-31, in the year {_FIRST_YEAR} or later.")
    return first_moment(day, zone)


def is_for_script() -> bool:
    """The page's own script asks for nothing but its rows, to bring them up to date."""
    return request.args.get("part") == "rows"


async def answer_list(
    visit: Visit,
    page: JobPage,
    *,
    path: str,
    title: str,
    counts: Mapping[JobStatus, int],
    chosen: ChosenFilter,
    as_json: bool,
    is_everybody: bool = False,
) -> Response:
    rows = [describe_line(visit.ctx, line) for line in page.lines]
    if as_json:
        numbers = {status.value: number for status, number in counts.items()}
        data = {
            "jobs": rows,
            "next_before": page.next_before,
            "is_cut": page.is_cut,
            "counts": numbers,
            "counted_to": COUNTED,
        }
        return answer_json(data, headers=NO_STORE)
    variables: dict[str, Any] = {
        "rows": rows,
        "path": path,
        "here": {**chosen.query, **({"before": str(chosen.before)} if chosen.before else {})},
        "is_everybody": is_everybody,
        "retryable": [row["id"] for row in rows if row["may_retry"]],
    }
    if is_for_script():
        session = visit.session

        def csrf(form_id: str) -> str:
            return render_token(session, form_id) if session is not None else ""

        html = visit.rt.renderer.render("job_rows.html", timezone=visit.timezone, csrf=csrf, **variables)
        return Response(html, headers=NO_STORE, content_type="text/html; charset=utf-8")
    return await show_page(
        "jobs.html",
        title=title,
        filters=chosen.query,
        is_filtered=chosen.is_filtered,
        is_first=chosen.before is None,
        next_before=str(page.next_before) if page.next_before else "",
        is_cut=page.is_cut,
        tabs=[
            (label, value, _sum(counts, statuses), value == chosen.query["status"])
            for value, label, statuses in STATUS_CHOICES
            if value in TABS
        ],
        statuses=[(value, label) for value, label, _ in STATUS_CHOICES],
        kinds=sorted(((kind, name_kind(kind)) for kind in JOB_KINDS), key=lambda pair: pair[1]),
        **variables,
    )


def _sum(counts: Mapping[JobStatus, int], statuses: frozenset[JobStatus]) -> str:
    """The number beside a tab; none for everything, which nobody counts."""
    if not statuses:
        return ""
    number = sum(counts.get(status, 0) for status in statuses)
    return f"{COUNTED:,}+" if number >= COUNTED else f"{number:,}"

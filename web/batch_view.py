"""What is shown of a batch, and to whom: how far it is to who may see its job, what it is about to its own people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kernel.batch.operation import Operation
from kernel.batch.operations import find_operation
from kernel.batch.retry import RETRIED_WHEN
from kernel.batch.store import Problem
from kernel.context import Context
from kernel.item.model import Item
from kernel.ledger.access import may_read
from kernel.ledger.model import Job, JobStatus
from web.job_view import describe_job

# What has happened to an item, by the name of the operation.
VERBS: Final = {
    "import_items": "imported",
    "export_items": "exported",
    "publish_items": "published",
    "unpublish_items": "unpublished",
    "delete_items": "deleted",
    "delete_person": "seen to",
    "reindex": "indexed",
    "refresh_pages": "refreshed",
}
SIZE_STEP: Final = 1_000
STATUS_WORDS: Final = {None: "", 1: "published", 0: "drafts"}


@dataclass(frozen=True, slots=True)
class Work:
    """What a batch does; `operation` is None before its first slice was begun and its payload is gone, or in a newer
    release."""

    operation: Operation | None
    arguments: Mapping[str, Any]


def read_work(job: Job) -> Work:
    """From its checkpoint, or before there is one from its payload."""
    given = job.cursor or job.payload or {}
    return Work(find_operation(str(given.get("operation", ""))), given.get("arguments") or {})


def describe_batch(ctx: Context, job: Job) -> dict[str, Any]:
    """What the page and its live events show to who may see the job at all: nothing in it is content."""
    work = read_work(job)
    operation = work.operation
    refused: int = (job.cursor or {}).get("refused", 0)
    good = job.progress_done - refused
    data = describe_job(ctx, job)
    return {
        **data,
        "title": operation.label if operation else data["title"],
        "operation": operation.name if operation else "",
        "percent": _percent(job),
        "refused": refused,
        "good": good,
        "message": _tell(operation, good, refused, (job.cursor or {}).get("unchanged", 0))
        if job.is_finished
        else "",
        "may_retry_refused": bool(
            operation
            and operation.takes_refused
            and refused
            and job.status in RETRIED_WHEN
            and may_read(ctx, job)
            and ctx.actor.may(operation.permission)
        ),
    }


def describe_status(ctx: Context, job: Job) -> dict[str, Any]:
    """For programs."""
    data = describe_batch(ctx, job)
    names = (
        "id",
        "operation",
        "status",
        "is_finished",
        "is_cancelling",
        "good",
        "done",
        "total",
        "percent",
        "refused",
        "note",
        "problems",
        "error",
    )
    result = job.result if may_read(ctx, job) else None
    return {**{name: data[name] for name in names}, "result": result}


def describe_subject(work: Work, types: Mapping[str, str]) -> str:
    """What the batch is about, in words."""
    given = work.arguments
    if given.get("retry_of"):
        return "What an earlier batch refused"
    if "heir_id" in given:
        return f"The account of {given.get('name', '')}"
    if "count" in given:
        return f"A file of {_count(given['count'], 'line')}"
    if given.get("listed") is not None:
        return f"{_count(given['listed'], 'chosen item')}"
    parts = [types.get(name, name) for name in given.get("types", ())]
    status = STATUS_WORDS.get(given.get("status"), "")
    text = given.get("text", "")
    wanted = [", ".join(parts), status, f"“{text}” in the title" if text else ""]
    return ", ".join(part for part in wanted if part) or "All items"


def describe_problems(problems: Sequence[Problem], items: Mapping[str, Item]) -> list[dict[str, Any]]:
    """`items` are those that may be viewed, by the refs of the problems; others have no title."""
    rows = []
    for problem in problems:
        shown = items.get(problem.ref)
        rows.append(
            {
                "number": problem.number,
                "is_line": not problem.ref,
                "title": shown.title if shown else "",
                "path": shown.path if shown else "",
                "message": problem.message,
                "content": problem.content,
            }
        )
    return rows


def count_items(number: int) -> str:
    return _count(number, "item")


def show_size(number: float) -> str:
    """Of so many bytes, in words."""
    for unit in ("bytes", "kB"):
        if number < SIZE_STEP:
            return f"{number:.0f} {unit}"
        number /= SIZE_STEP
    return f"{round(number, 1):,g} MB"


def _percent(job: Job) -> int:
    """Whole percents; a batch that is done is at 100, also one that had nothing to do."""
    if job.status is JobStatus.DONE:
        return 100
    total = job.progress_total
    return 100 * min(job.progress_done, total) // total if total else 0


def _tell(operation: Operation | None, good: int, refused: int, unchanged: int) -> str:
    """`unchanged` of the good ones were so before."""
    if operation and operation.name == "delete_person" and not refused:
        content = f" {_count(good, 'item')} of it {'was' if good == 1 else 'were'} seen to." if good else ""
        return f"The account was deleted.{content}"
    if not good and not refused:
        return "There was nothing to do."
    verb = VERBS.get(operation.name, "done") if operation else "done"
    changed = good - unchanged
    told = []
    if changed or not unchanged:
        told.append(f"{_count(changed, 'item')} {'was' if changed == 1 else 'were'} {verb}.")
    if unchanged:
        number = f"{unchanged:,}" if told else _count(unchanged, "item")
        told.append(f"{number} {'was' if unchanged == 1 else 'were'} {verb} already.")
    if refused:
        told.append(f"{refused:,} {'was' if refused == 1 else 'were'} refused.")
    return " ".join(told)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""Submits the demo content as jobs, once per site."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kernel.context import Context
from kernel.ids import uuid7
from kernel.item.model import Fields
from kernel.jobs import SAVE_ITEM, SaveItem
from kernel.ledger.submit import submit_job
from kernel.ledger.wait import wait_for_job
from kernel.runtime import Runtime

CONTENT: Final = Path(__file__).with_name("content.toml")
# Keys of the content file that become fields of the same name.
_FIELD_KEYS: Final = ("subtitle", "summary", "published_on", "reading_minutes", "featured")


async def seed_demo(rt: Runtime, ctx: Context, *, timeout_s: float) -> int:
    """Returns how many demo items stand after at most `timeout_s` for each; what takes longer arrives later. The
    dedupe key makes a second call find the jobs of the first, whatever became of their items since."""
    finished = 0
    for key, payload in read_demo_items():
        job_id = await submit_job(rt.ledger, ctx, SAVE_ITEM, payload, dedupe_key=f"demo:{key}")
        job = await wait_for_job(rt.ledger, job_id, timeout_s)
        finished += job.result is not None and job.result.get("outcome") == "saved"
    return finished


def read_demo_items() -> Iterator[tuple[str, SaveItem]]:
    for entry in tomllib.loads(CONTENT.read_text())["items"]:
        yield (
            entry["key"],
            SaveItem(
                item_id=uuid7(),
                type=entry["type"],
                title=entry["title"],
                fields=_read_fields(entry),
                promote=entry.get("promote", False),
                log_message="Demo content",
            ),
        )


def _read_fields(entry: Mapping[str, Any]) -> Fields:
    fields: Fields = {f"field_{key}": {"value": entry[key]} for key in _FIELD_KEYS if key in entry}
    fields["field_body"] = {"value": entry["body"].strip(), "format": "filtered_html"}
    return fields

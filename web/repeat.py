"""Recognises a request that a program sends again because it never saw the answer, by its header Idempotency-Key."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from quart import request

from kernel.errors import BadInput
from kernel.ledger.model import Job
from kernel.ledger.store import find_job_id
from kernel.ledger.wait import wait_for_job
from web.visit import Visit

REPEAT_HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[!-~]{1,128}")


def read_repeat_key(visit: Visit, document: Mapping[str, Any]) -> str | None:
    """The dedupe key of the job that this request asks for; None without the header. Equal for the same actor, address,
    header and document, so that nobody meets somebody else's request, and a corrected document is never swallowed.
    Raises BadInput."""
    sent = request.headers.get(REPEAT_HEADER)
    if sent is None:
        return None
    if not _KEY.fullmatch(sent):
        raise BadInput(f"{REPEAT_HEADER} has 1 to 128 visible ASCII characters, for example a UUID.")
    parts = ["program", request.path, str(visit.actor.id), visit.ctx.session_key, sent, document]
    # Not orjson, which refuses numbers beyond 64 bits; what is wrong with a document is told by whoever reads it.
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def find_earlier_job(visit: Visit, dedupe_key: str | None) -> Job | None:
    """The job of the same request when it was sent before, waited for as it was then. It answers the repetition even
    where the request would be refused by now: a deleted item cannot be found any more, and still was deleted."""
    job_id = await find_job_id(await visit.conn(), dedupe_key) if dedupe_key is not None else None
    if job_id is None:
        return None
    await visit.release()
    return await wait_for_job(visit.rt.ledger, job_id, visit.rt.config.save_wait_s)

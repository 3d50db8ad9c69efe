"""A program that imports many items at once and deletes many at once, as batches, and is told of each line."""

import asyncio
from time import monotonic
from uuid import uuid4

import httpx

from kernel.ids import uuid7
from tests.chaos.client import PATIENCE_S
from tests.chaos.editor import build_document
from tests.chaos.judge import Violation

_IMPORT = "/admin/tools/import"
_BULK = "/admin/content/bulk"
_REFUSED = ({"type": "no such type", "title": "Refused"}, {"type": "page"}, 7)
_LOOK_EVERY_S = 0.3
_TIMEOUT_S = 6.0
# Slices that wait for a new lease, behind other slices that do.
_BATCH_PATIENCE_S = 120.0


class Importer:
    """Every second import names the ids of its items, which are deleted again by a batch; the others leave them to the
    site, so that a line that came in twice is there twice. `lines` are those of one import."""

    def __init__(self, desk, doors, token, counts, chance, *, lines):
        headers = {"Authorization": f"Bearer {token}"}
        self._doors = [
            httpx.AsyncClient(base_url=door, headers=headers, timeout=_TIMEOUT_S) for door in doors
        ]
        self._desk = desk
        self._counts = counts
        self._chance = chance
        self._lines = lines
        self.violations = []

    async def close(self):
        for door in self._doors:
            await door.aclose()

    async def work(self, until):
        """`until` is an event; the batch that runs then is seen through."""
        number = 0
        while not until.is_set():
            number += 1
            requests = await self._import(has_ids=number % 2 == 0)
            if requests and requests[0].item is not None and not until.is_set():
                await self._delete([request.item for request in requests])

    async def _import(self, *, has_ids):
        """The requests that came in, one for each good line."""
        requests = [
            self._desk.begin(
                "import",
                type="blog" if self._chance.random() < 0.5 else "page",
                item=str(uuid7()) if has_ids else None,
            )
            for _ in range(self._lines)
        ]
        items = [
            {**build_document(request), "type": request.type, **({"id": request.item} if has_ids else {})}
            for request in requests
        ]
        for bad in _REFUSED:
            items.insert(self._chance.randrange(len(items)), bad)
        ended = await self._run(_IMPORT, {"items": items})
        if ended is None or not self._is_as_it_should(ended, len(requests), len(_REFUSED)):
            return []
        for request in requests:
            self._desk.log.write(request.number, "imported")
        self._counts["lines imported"] += len(requests)
        return requests

    async def _delete(self, items):
        requests = [self._desk.begin("delete", item=item) for item in items]
        chosen = [{"id": item} for item in items]
        ended = await self._run(_BULK, {"action": "delete", "items": chosen})
        if ended is None or not self._is_as_it_should(ended, len(items), 0):
            return
        for request in requests:
            self._desk.log.write(request.number, "accepted", item=request.item, revision="")
        self._counts["items deleted by batches"] += len(items)

    def _is_as_it_should(self, ended, good, refused):
        told = (ended["status"], ended["done"], ended["refused"])
        if told == ("done", good + refused, refused):
            self._counts["batches"] += 1
            return True
        self.violations.append(Violation("batch ended otherwise", f"{ended}, not {good} and {refused}"))
        return False

    async def _run(self, path, document):
        """Ask for it until it is accepted, then look until it is over; its status then. None when it was not."""
        key = str(uuid4())
        status = await self._ask_until(
            PATIENCE_S,
            lambda door: door.post(path, json=document, headers={"Idempotency-Key": key}),
            lambda answer: answer["batch"]["status"],
        )
        if status is None:
            self._counts["batches given up"] += 1
            return None
        return await self._ask_until(
            _BATCH_PATIENCE_S,
            lambda door: door.get(status),
            lambda answer: answer if answer["is_finished"] else None,
        )

    async def _ask_until(self, patience_s, ask, read):
        give_up_at = monotonic() + patience_s
        while monotonic() < give_up_at:
            try:
                answer = await ask(self._chance.choice(self._doors))
            except httpx.TransportError:
                self._counts["answers lost"] += 1
            else:
                if answer.status_code < 300 and (told := read(answer.json())) is not None:
                    return told
                if 400 <= answer.status_code < 500 and answer.status_code != 429:
                    self.violations.append(
                        Violation("batch refused", f"{answer.status_code} {answer.text[:300]}")
                    )
                    return None
            await asyncio.sleep(_LOOK_EVERY_S)
        return None


async def count_takeovers(conn, cut):
    """How many of the batches whose worker was killed, given as (id, attempts), were done by a later attempt."""
    rows = await conn.fetch(
        "SELECT id, attempts FROM job WHERE id = ANY($1) AND status = 'done'", [job_id for job_id, _ in cut]
    )
    attempts = {row["id"]: row["attempts"] for row in rows}
    return sum(attempts.get(job_id, 0) > number for job_id, number in cut)

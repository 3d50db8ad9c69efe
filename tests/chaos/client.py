"""A program that saves and deletes items, and asks again until it is answered; all it hears goes to the log."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from time import monotonic

import httpx

from tests.chaos.record import Asked

# After so long a client gives a request up and never learns what became of it.
PATIENCE_S = 40.0
_TIMEOUT_S = 4.0
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)
_FOLLOW_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes over the wire, each time the same; `key` is its name for the site."""

    request: Asked
    path: str
    document: dict
    key: str


class Client:
    """One editor's program, with doors to every web process. `counts` is shared by the clients of a run."""

    def __init__(self, doors, token, log, counts, chance):
        headers = {"Authorization": f"Bearer {token}"}
        self._doors = [
            httpx.AsyncClient(base_url=door, headers=headers, timeout=_TIMEOUT_S) for door in doors
        ]
        self._log = log
        self._counts: Counter = counts
        self._chance = chance

    async def close(self):
        for door in self._doors:
            await door.aclose()

    async def ask(self, sent, patience_s=PATIENCE_S):
        """Send it until it is answered. What it was told: `(item, revision)`; None when it was refused, or never
        answered at all."""
        give_up_at = monotonic() + patience_s
        tries = 0
        if self._chance.random() < 0.1:
            self._counts["sent twice at once"] += 1
            both = (self._try(sent, door, _TIMEOUT_S) for door in self._doors)
            told = [answer for answer in await asyncio.gather(*both) if answer is not None]
            if told:
                return told[0] or None
        while monotonic() < give_up_at:
            door = self._chance.choice(self._doors)
            # Now and then a client is impatient: it leaves while its request is being carried out.
            timeout_s = self._chance.uniform(0.005, 0.15) if self._chance.random() < 0.07 else _TIMEOUT_S
            answer = await self._try(sent, door, timeout_s)
            if answer is not None:
                return answer or None
            await asyncio.sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
            tries += 1
            self._counts["retries"] += 1
        self._counts["given up"] += 1
        self._log.write(sent.request.number, "given up")
        return None

    async def _try(self, sent, door, timeout_s):
        """What it was told, () when it was refused, None when it has to ask again."""
        try:
            answer = await door.post(
                sent.path, json=sent.document, headers={"Idempotency-Key": sent.key}, timeout=timeout_s
            )
        except httpx.TransportError as error:
            self._counts["answers lost"] += 1
            self._log.write(sent.request.number, "lost", error=type(error).__name__)
            return None
        status = answer.status_code
        self._counts[f"answers {status}"] += 1
        if status in (200, 201):
            data = answer.json()
            told = (data["deleted"], "") if "deleted" in data else (data["id"], data["revision_id"])
            self._log.write(sent.request.number, "accepted", item=told[0], revision=told[1])
            return told
        if status == 202:
            job = answer.json()["job"]["id"]
            self._log.write(sent.request.number, "promised", job=job)
            await self._follow(job)
            return None
        if status >= 500 or status == 429:
            self._log.write(sent.request.number, "failed", status=status, text=answer.text[:300])
            return None
        self._log.write(sent.request.number, "refused", status=status, text=answer.text[:300])
        return ()

    async def _follow(self, job):
        """Look at the job until it is over; the request itself, sent again, then tells how it ended."""
        give_up_at = monotonic() + PATIENCE_S
        while monotonic() < give_up_at:
            await asyncio.sleep(_FOLLOW_EVERY_S)
            try:
                answer = await self._chance.choice(self._doors).get(f"/job/{job}.json")
            except httpx.TransportError:
                continue
            if answer.status_code == 200 and answer.json()["is_finished"]:
                self._counts["jobs followed"] += 1
                return

"""What an editor does all day: adds items, changes them one revision after the other, deletes some."""

import asyncio
from contextlib import suppress
from uuid import uuid4

import httpx

from tests.chaos.client import Sent
from tests.chaos.record import Asked

_ITEMS_AT_HAND = 6
_ASKING_AGAIN_S = 30.0
_READ_EVERY_S = 0.15


class Desk:
    """What the editors of a run share: numbers, the log, items that several of them change, and repeated questions."""

    def __init__(self, log):
        self.log = log
        self.sent = []
        self.shared = {}
        self.number = 0

    def begin(self, act, **values):
        """A request with a title that no other one has, written down before it is sent."""
        self.number += 1
        number = self.number
        text = f"<p>Words of request {number}. {'They fill the space of an ordinary text. ' * 20}</p>"
        request = Asked(number, act, **values)
        if act != "delete":
            request.title = f"Request {number:06d}"
            request.text = text
            if request.type == "blog":
                request.day = f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
        self.log.write(
            number,
            "asked",
            act=act,
            type=request.type,
            item=request.item,
            base=request.base,
            title=request.title,
            text=request.text,
            day=request.day,
            is_shared=request.is_shared,
        )
        return request


class Editor:
    """`haste` is the share of new items that are deleted at once."""

    def __init__(self, desk, client, chance, *, haste=0.1):
        self._desk = desk
        self._client = client
        self._chance = chance
        self._haste = haste
        self._own = []

    async def work(self, until):
        """`until` is an event; what is being asked then is still seen through."""
        while not until.is_set():
            dice = self._chance.random()
            if len(self._own) < 2 or dice < 0.45:
                await self._add()
            elif dice < 0.82:
                await self._change(self._own.pop(self._chance.randrange(len(self._own))))
            elif dice < 0.92:
                await self._delete(*self._own.pop(0)[:2])
            else:
                await self._change_shared()

    async def _add(self):
        type_name = "blog" if self._chance.random() < 0.4 else "page"
        request = self._desk.begin("create", type=type_name)
        told = await self._ask(request, f"/item/add/{type_name}", build_document(request))
        if told is None:
            return
        item, revision = told
        if self._chance.random() < self._haste:
            await self._delete(item, revision)
        elif len(self._desk.shared) < 3:
            self._desk.shared[item] = (type_name, revision)
        else:
            # What falls off the desk stays as it is.
            self._own = [*self._own[1 - _ITEMS_AT_HAND :], (item, revision, type_name)]

    async def _change(self, own):
        item, revision, type_name = own
        request = self._desk.begin("update", type=type_name, item=item, base=revision)
        told = await self._ask(
            request, f"/item/{item}/edit", {**build_document(request), "revision": revision}
        )
        if told is not None:
            self._own.append((item, told[1], type_name))

    async def _change_shared(self):
        """Others may have the same revision before them; one of them wins."""
        if not self._desk.shared:
            return
        item = self._chance.choice(sorted(self._desk.shared))
        type_name, revision = self._desk.shared[item]
        request = self._desk.begin("update", type=type_name, item=item, base=revision, is_shared=True)
        told = await self._ask(
            request, f"/item/{item}/edit", {**build_document(request), "revision": revision}
        )
        if told is not None:
            self._desk.shared[item] = (type_name, told[1])

    async def _delete(self, item, revision):
        request = self._desk.begin("delete", item=item, base=revision)
        await self._ask(request, f"/item/{item}/delete", {"revision": revision})

    async def _ask(self, request, path, document):
        sent = Sent(request, path, document, str(uuid4()))
        self._desk.sent.append((self._client, sent))
        return await self._client.ask(sent)


def build_document(request):
    fields = {"field_body": {"value": request.text, "format": "filtered_html"}}
    if request.day:
        fields["field_published_on"] = {"value": request.day}
    return {"title": request.title, "fields": fields}


async def ask_again(desk, chance, count):
    """Repeat requests of the run, each client its own: the log then holds both answers of each."""
    again = {}
    for client, sent in chance.sample(desk.sent, min(count, len(desk.sent))):
        again.setdefault(client, []).append(sent)
    # Now everything runs, and an answer takes no time; a site that gives none is not waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(_ASKING_AGAIN_S):
            await asyncio.gather(*(_ask_one_by_one(client, theirs) for client, theirs in again.items()))


async def _ask_one_by_one(client, theirs):
    for sent in theirs:
        await client.ask(sent, patience_s=2.0)


async def read_pages(doors, desk, chance, counts, until):
    """A stranger who reads items that were just asked for, so that caches hold pages that become old."""
    async with httpx.AsyncClient(timeout=4.0) as stranger:
        while not until.is_set():
            recent = [sent.request.item for _, sent in desk.sent[-60:] if sent.request.item]
            if recent:
                try:
                    await stranger.get(f"{chance.choice(doors)}/item/{chance.choice(recent)}")
                    counts["pages read"] += 1
                except httpx.TransportError:
                    counts["pages not answered"] += 1
            await asyncio.sleep(_READ_EVERY_S)

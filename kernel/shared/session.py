"""Sessions in Redis: an opaque id in the browser, everything else here, under the hash of that id.

Who reads the database of Redis therefore cannot log in with what is found there. Reading a session also reads
the cache generation, in the same round trip (kernel.shared.cache tells what for). With Redis away a reader is
a stranger, and a writer is told so.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from kernel.clock import now
from kernel.errors import LoginRequired, TooLarge, Unavailable
from kernel.log import get_logger
from kernel.names import LIVE
from kernel.shared import session_scripts as scripts
from kernel.shared.cache_scripts import STATE_KEY
from kernel.shared.connection import Script, Shared
from kernel.shared.seen import SEEN_KEY

log = get_logger(__name__)

SESSION_ID = re.compile(r"[A-Za-z0-9_-]{43}")
# The hash of one, under which it is known everywhere but in the browser.
SESSION_KEY = re.compile(r"[0-9a-f]{64}")
MAX_VALUE_BYTES = 16_384
MAX_FLASHES = 20
# Of one person at once. More are a script that logs in again and again.
MAX_SESSIONS = 100
# A stranger's session only carries the secret of a form; many of them may come from one script.
ANONYMOUS_TTL_S = 21_600.0
# From the last use of a session whose person asked to be remembered.
REMEMBERED_TTL_S = 30 * 86_400.0
# How exactly it is known when a session was last used.
SEEN_MS = 300_000


@dataclass(frozen=True, slots=True)
class Client:
    """What somebody logs in with: a few words such as "Firefox on Linux", and a network address."""

    browser: str = ""
    address: str = ""


UNKNOWN_CLIENT: Final = Client()


@dataclass(frozen=True, slots=True)
class Session:
    """`id` goes into the cookie and nowhere else; `key` is its hash, safe to record. `secret` signs form
    tokens.

    `data` is any JSON object; `has_flashes` says whether `Sessions.take_flashes` would find something, `is_renewed`
    whether loading it has put off its end, as a cookie that lasts has to be told.
    """

    id: str = field(repr=False)
    key: str
    user_id: UUID | None
    active_stage: str
    secret: str = field(repr=False)
    created: datetime
    data: dict[str, Any] = field(default_factory=dict)
    is_remembered: bool = False
    has_flashes: bool = False
    is_renewed: bool = False


@dataclass(frozen=True, slots=True)
class OwnSession:
    """One line of the list of a person's sessions; `seen` is right to a few minutes."""

    key: str
    client: Client
    created: datetime
    seen: datetime
    is_remembered: bool


class Sessions:
    """The store. `ttl_s` counts from the last use of a session that belongs to a user who is not to be remembered."""

    def __init__(self, shared: Shared, ttl_s: float) -> None:
        self._prefix = shared.prefix
        self._ttl_s = ttl_s
        self._load = Script(shared, scripts.LOAD)
        self._is_alive = Script(shared, scripts.IS_ALIVE)
        self._save = Script(shared, scripts.SAVE)
        self._replace = Script(shared, scripts.REPLACE)
        self._delete = Script(shared, scripts.DELETE)
        self._delete_own = Script(shared, scripts.DELETE_OWN)
        self._delete_all = Script(shared, scripts.DELETE_ALL)
        self._list = Script(shared, scripts.LIST)
        self._add_flash = Script(shared, scripts.ADD_FLASH)
        self._take_flashes = Script(shared, scripts.TAKE_FLASHES)
        self._state = shared.key(*STATE_KEY)
        self._seen = shared.key(*SEEN_KEY)

    def ttl_of(self, *, user_id: UUID | None, is_remembered: bool) -> float:
        """In seconds from its last use."""
        if user_id is None:
            return min(ANONYMOUS_TTL_S, self._ttl_s)
        return max(REMEMBERED_TTL_S, self._ttl_s) if is_remembered else self._ttl_s

    async def load(self, session_id: str) -> tuple[Session | None, int]:
        """The session, if the id is one of ours and alive, and the cache generation (0 when unknown)."""
        if SESSION_ID.fullmatch(session_id) is None:
            return None, 0
        key = _hash(session_id)
        try:
            found = await self._load.run([], [self._prefix, key, self._state, SEEN_MS, self._seen])
        except Unavailable as error:
            log.warning("a session could not be read", error=error.detail)
            return None, 0
        value, flashes, renewed, generation = found
        session = None
        if value is not None:
            session = replace(
                _decode(session_id, key, value), has_flashes=bool(flashes), is_renewed=bool(renewed)
            )
        return session, int(-float(generation)) if generation is not None else 0

    async def create(
        self,
        *,
        user_id: UUID | None,
        active_stage: str = LIVE,
        data: Mapping[str, Any] | None = None,
        client: Client = UNKNOWN_CLIENT,
        is_remembered: bool = False,
    ) -> Session:
        """Raises Unavailable."""
        session = _new(user_id, active_stage, data or {}, is_remembered)
        await self._write_new(session, None, client, keeps=False)
        return session

    async def is_alive(self, session: Session) -> bool:
        """Whether it has not ended; to ask does not count as a use. Raises Unavailable."""
        return bool(await self._is_alive.run([], [self._prefix, session.key]))

    async def save(self, session: Session) -> None:
        """Write stage and data. Does nothing to a session that has ended meanwhile. Raises Unavailable,
        TooLarge."""
        await self._save.run([], [self._prefix, session.key, _encode(session)])

    async def rotate(
        self,
        session: Session | None,
        *,
        user_id: UUID | None,
        client: Client = UNKNOWN_CLIENT,
        is_remembered: bool = False,
    ) -> Session:
        """Another id and secret, for a change of rights such as a login: an id known to somebody else is
        worth nothing afterwards. What a stranger had collected goes along; what belonged to another user does
        not. Raises LoginRequired when a session of the same user has ended meanwhile, and Unavailable."""
        keeps = session is not None and session.user_id in (None, user_id)
        stage = session.active_stage if session is not None and session.user_id == user_id else LIVE
        fresh = _new(user_id, stage, session.data if session is not None and keeps else {}, is_remembered)
        await self._write_new(fresh, session, client, keeps=keeps)
        return fresh

    async def delete(self, session: Session) -> None:
        """Raises Unavailable: a logout that did not happen must not look like one."""
        await self._delete.run([], [self._prefix, session.key])

    async def delete_own(self, user_id: UUID, key: str) -> bool:
        """End this person's session of that key; False when there is none, whoever else may have one. Raises
        Unavailable."""
        return bool(await self._delete_own.run([], [self._prefix, str(user_id), key]))

    async def delete_all(self, user_id: UUID, but: str | None = None) -> int:
        """End every session of this person except the one with the key `but`; how many there were. Raises
        Unavailable."""
        return int(await self._delete_all.run([], [self._prefix, str(user_id), but or ""]))

    async def list_own(self, user_id: UUID) -> list[OwnSession]:
        """Those of this person that live, the last used first; MAX_SESSIONS at most. Raises Unavailable."""
        rows = await self._list.run([], [self._prefix, str(user_id)])
        read_at = now()
        sessions = [_read_own(row, read_at) for row in rows]
        return sorted(sessions, key=lambda session: (session.seen, session.created), reverse=True)

    async def add_flash(self, session: Session, kind: str, text: str) -> None:
        """A message for the next page of this browser. Raises Unavailable."""
        message = orjson.dumps({"kind": kind, "text": text})
        await self._add_flash.run([], [self._prefix, session.key, message, MAX_FLASHES])

    async def take_flashes(self, session: Session) -> list[dict[str, str]]:
        """The messages, oldest first, each given out once; none when Redis is away, they will keep."""
        try:
            raw = await self._take_flashes.run([], [self._prefix, session.key])
        except Unavailable as error:
            log.warning("flash messages could not be read", error=error.detail)
            return []
        return [orjson.loads(message) for message in raw]

    async def _write_new(self, session: Session, old: Session | None, client: Client, *, keeps: bool) -> None:
        ttl_s = self.ttl_of(user_id=session.user_id, is_remembered=session.is_remembered)
        arguments: list[str | bytes | int] = [
            self._prefix,
            session.key,
            old.key if old is not None else "",
            _encode(session),
            int(ttl_s * 1000),
            str(session.user_id) if session.user_id is not None else "",
            orjson.dumps(client),
            int(keeps),
            MAX_SESSIONS,
            int(old is not None and old.user_id is not None and old.user_id == session.user_id),
        ]
        if not await self._replace.run([], arguments):
            raise LoginRequired("This session was ended meanwhile. Please log in again.")


def _new(user_id: UUID | None, active_stage: str, data: Mapping[str, Any], is_remembered: bool) -> Session:
    session_id = secrets.token_urlsafe(32)
    return Session(
        id=session_id,
        key=_hash(session_id),
        user_id=user_id,
        active_stage=active_stage,
        secret=secrets.token_urlsafe(32),
        created=now(),
        data=dict(data),
        is_remembered=is_remembered,
    )


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


def _encode(session: Session) -> bytes:
    value = orjson.dumps(
        {
            "user_id": session.user_id,
            "active_stage": session.active_stage,
            "secret": session.secret,
            "created": session.created,
            "data": session.data,
            "remembered": session.is_remembered,
        }
    )
    if len(value) > MAX_VALUE_BYTES:
        raise TooLarge(
            "This session holds too much.", detail=f"{len(value)} bytes, {MAX_VALUE_BYTES} allowed"
        )
    return value


def _decode(session_id: str, key: str, value: bytes) -> Session:
    document = orjson.loads(value)
    user_id = document["user_id"]
    return Session(
        id=session_id,
        key=key,
        user_id=UUID(user_id) if user_id is not None else None,
        active_stage=document["active_stage"],
        secret=document["secret"],
        created=datetime.fromisoformat(document["created"]),
        data=document["data"],
        is_remembered=document["remembered"],
    )


def _read_own(row: Sequence[Any], read_at: datetime) -> OwnSession:
    key, value, client, unused_ms = row
    document = orjson.loads(value)
    return OwnSession(
        key=key.decode(),
        client=Client(**orjson.loads(client)),
        created=datetime.fromisoformat(document["created"]),
        seen=read_at - timedelta(milliseconds=max(0, unused_ms)),
        is_remembered=document["remembered"],
    )

"""Sessions in Redis: an opaque id in the browser, everything else here, under the hash of that id.

Who reads the database of Redis therefore cannot log in with what is found there. Reading a session also reads
the cache generation, in the same round trip (kernel.shared.cache tells what for). With Redis away a reader is
a stranger, and a writer is told so.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from kernel.clock import now
from kernel.errors import TooLarge, Unavailable
from kernel.log import get_logger
from kernel.names import LIVE
from kernel.shared.cache_scripts import STATE_KEY
from kernel.shared.connection import Script, Shared

log = get_logger(__name__)

SESSION_ID = re.compile(r"[A-Za-z0-9_-]{43}")
MAX_VALUE_BYTES = 16_384
MAX_FLASHES = 20
# A stranger's session only carries the secret of a form; many of them may come from one script.
ANONYMOUS_TTL_S = 21_600.0

# KEYS: session, flashes, cache state. The time to live is renewed once a quarter of it has passed: a write on
# every read would double the cost of the most frequent command.
_LOAD = """
local value = redis.call('HMGET', KEYS[1], 'value', 'ttl_ms')
local flashes = 0
if value[1] then
  local ttl = tonumber(value[2])
  if redis.call('PTTL', KEYS[1]) < ttl * 0.75 then
    redis.call('PEXPIRE', KEYS[1], ttl)
    redis.call('PEXPIRE', KEYS[2], ttl)
  end
  flashes = redis.call('EXISTS', KEYS[2])
end
return {value[1], flashes, redis.call('ZSCORE', KEYS[3], '-generation')}
"""

# KEYS: session. ARGV: value. Writes only what is there, so that a logout in another tab is not undone.
_SAVE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'value', ARGV[1])
return 1
"""

# KEYS: new session, new flashes, old session, old flashes. ARGV: value, ttl in ms, whether to keep the
# flashes.
_REPLACE = """
redis.call('HSET', KEYS[1], 'value', ARGV[1], 'ttl_ms', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if KEYS[3] then
  redis.call('DEL', KEYS[3])
  if ARGV[3] == '0' then redis.call('DEL', KEYS[4]) end
  if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('RENAME', KEYS[4], KEYS[2])
    redis.call('PEXPIRE', KEYS[2], ARGV[2])
  end
end
return 1
"""

# KEYS: session, flashes. ARGV: message, most messages kept.
_ADD_FLASH = """
local ttl = redis.call('HGET', KEYS[1], 'ttl_ms')
if not ttl then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[2]), -1)
redis.call('PEXPIRE', KEYS[2], ttl)
return 1
"""

_TAKE_FLASHES = """
local flashes = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
return flashes
"""


@dataclass(frozen=True, slots=True)
class Session:
    """`id` goes into the cookie and nowhere else; `key` is its hash, safe to record. `secret` signs form
    tokens.

    `data` is any JSON object; `has_flashes` says whether `Sessions.take_flashes` would find something.
    """

    id: str = field(repr=False)
    key: str
    user_id: UUID | None
    active_stage: str
    secret: str = field(repr=False)
    created: datetime
    data: dict[str, Any] = field(default_factory=dict)
    has_flashes: bool = False


class Sessions:
    """The store. `ttl_s` counts from the last use of a session that belongs to a user."""

    def __init__(self, shared: Shared, ttl_s: float) -> None:
        self._shared = shared
        self._ttl_s = ttl_s
        self._load = Script(shared, _LOAD)
        self._save = Script(shared, _SAVE)
        self._replace = Script(shared, _REPLACE)
        self._delete = Script(shared, "return redis.call('DEL', KEYS[1], KEYS[2])")
        self._add_flash = Script(shared, _ADD_FLASH)
        self._take_flashes = Script(shared, _TAKE_FLASHES)
        self._state = shared.key(*STATE_KEY)

    async def load(self, session_id: str) -> tuple[Session | None, int]:
        """The session, if the id is one of ours and alive, and the cache generation (0 when unknown)."""
        if SESSION_ID.fullmatch(session_id) is None:
            return None, 0
        key = _hash(session_id)
        try:
            value, flashes, generation = await self._load.run([*self._keys(key), self._state], [])
        except Unavailable as error:
            log.warning("a session could not be read", error=error.detail)
            return None, 0
        session = _decode(session_id, key, value, bool(flashes)) if value is not None else None
        return session, int(-float(generation)) if generation is not None else 0

    async def create(
        self, *, user_id: UUID | None, active_stage: str = LIVE, data: Mapping[str, Any] | None = None
    ) -> Session:
        """Raises Unavailable."""
        session = _new(user_id, active_stage, data or {})
        await self._write_new(session, None, keeps=False)
        return session

    async def save(self, session: Session) -> None:
        """Write stage and data. Does nothing to a session that has ended meanwhile. Raises Unavailable,
        TooLarge."""
        await self._save.run([self._keys(session.key)[0]], [_encode(session)])

    async def rotate(self, session: Session | None, *, user_id: UUID | None) -> Session:
        """Another id and secret, for a change of rights such as a login: an id known to somebody else is
        worth nothing afterwards. What a stranger had collected goes along; what belonged to another user does
        not."""
        keeps = session is not None and session.user_id in (None, user_id)
        stage = session.active_stage if session is not None and session.user_id == user_id else LIVE
        fresh = _new(user_id, stage, session.data if session is not None and keeps else {})
        await self._write_new(fresh, session, keeps=keeps)
        return fresh

    async def delete(self, session: Session) -> None:
        """Raises Unavailable: a logout that did not happen must not look like one."""
        await Script(self._shared, "return redis.call('DEL', KEYS[1], KEYS[2])").run(
            self._keys(session.key), []
        )

    async def add_flash(self, session: Session, kind: str, text: str) -> None:
        """A message for the next page of this browser. Raises Unavailable."""
        message = orjson.dumps({"kind": kind, "text": text})
        await self._add_flash.run(self._keys(session.key), [message, MAX_FLASHES])

    async def take_flashes(self, session: Session) -> list[dict[str, str]]:
        """The messages, oldest first, each given out once; none when Redis is away, they will keep."""
        try:
            raw = await self._take_flashes.run([self._keys(session.key)[1]], [])
        except Unavailable as error:
            log.warning("flash messages could not be read", error=error.detail)
            return []
        return [orjson.loads(message) for message in raw]

    async def _write_new(self, session: Session, old: Session | None, *, keeps: bool) -> None:
        ttl_s = self._ttl_s if session.user_id is not None else min(ANONYMOUS_TTL_S, self._ttl_s)
        keys = [*self._keys(session.key), *(self._keys(old.key) if old is not None else ())]
        await self._replace.run(keys, [_encode(session), int(ttl_s * 1000), int(keeps)])

    def _keys(self, key: str) -> tuple[str, str]:
        return self._shared.key("session", key), self._shared.key("session", key, "flashes")


def _new(user_id: UUID | None, active_stage: str, data: Mapping[str, Any]) -> Session:
    session_id = secrets.token_urlsafe(32)
    return Session(
        id=session_id,
        key=_hash(session_id),
        user_id=user_id,
        active_stage=active_stage,
        secret=secrets.token_urlsafe(32),
        created=now(),
        data=dict(data),
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
        }
    )
    if len(value) > MAX_VALUE_BYTES:
        raise TooLarge(
            "This session holds too much.", detail=f"{len(value)} bytes, {MAX_VALUE_BYTES} allowed"
        )
    return value


def _decode(session_id: str, key: str, value: bytes, has_flashes: bool) -> Session:
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
        has_flashes=has_flashes,
    )

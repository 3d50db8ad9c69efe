"""One request as the routes see it: who asks, with which session, over which snapshot, and what the page depends on."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from quart import g, request

from kernel.config import Config
from kernel.context import Actor, Context
from kernel.db.pool import Connection
from kernel.errors import LoginRequired, PluginError, Unavailable
from kernel.item.load import refuse
from kernel.log import get_logger
from kernel.names import LIVE
from kernel.plugin.live import LivePlugins
from kernel.plugin.model import PluginSet
from kernel.plugin_data.wishes import open_request_scope
from kernel.runtime import Runtime
from kernel.shared.session import Session, Sessions
from kernel.tap.scope import TapScope
from kernel.tap.witness import Witness
from kernel.user.load import load_actor, load_anonymous
from kernel.user.token import find_token_actor
from web.why import open_witness

log = get_logger(__name__)


@dataclass(slots=True)
class Visit:
    """`tags` collects what the page shows; `has_gaps` is true when a plugin's part is missing from it, `is_safe` when
    the site is shown without plugins, `is_closed` when visitors are not let in just now. `witness` knows what the
    plugins' parts depend on. `generation` of the cache was current before anything was read. `set_cookie` is the
    session's id where the browser has to be told, "" where it has to forget it; `device_cookie` by what it is known at
    its next login."""

    rt: Runtime
    sessions: Sessions
    ctx: Context
    session: Session | None
    is_token: bool
    generation: int
    witness: Witness
    tags: set[str] = field(default_factory=set)
    set_cookie: str | None = None
    device_cookie: str | None = None
    has_gaps: bool = False
    is_safe: bool = False
    is_closed: bool = False
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _conn: "Connection | None" = None
    _scope: TapScope | None = None

    @property
    def actor(self) -> Actor:
        return self.ctx.actor

    @property
    def timezone(self) -> str | None:
        """Where the reader tells the time; None for a stranger, since all of them may be given the same page."""
        return None if self.actor.is_anonymous else self.actor.timezone or None

    async def conn(self) -> Connection:
        """The snapshot that everything on this page is read from, opened by the first reader."""
        if self._conn is None:
            self._conn = await self._stack.enter_async_context(self.rt.db.page_snapshot())
        return self._conn

    @property
    def open_conn(self) -> "Connection | None":
        """That snapshot, if something on this page was read from it."""
        return self._conn

    async def scope(self) -> TapScope:
        """The plugin instances of this request, each made when its first tap is due."""
        if self._scope is None:
            scope = open_request_scope(self.rt, self.ctx, self.generation, self.witness)
            self._scope = await self._stack.enter_async_context(scope)
            # The answer goes first.
            self._scope.closes_later = True
        return self._scope

    async def release(self) -> None:
        """Give the snapshot and the instances back, for example before waiting for a worker."""
        self._conn = self._scope = None
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def need_session(self) -> Session:
        """The session, made now when there is none: a form needs one for its token."""
        if self.session is None:
            self.session = await self.sessions.create(user_id=None)
            self.set_cookie = self.session.id
            self.ctx = replace(self.ctx, session_key=self.session.key)
        return self.session

    def note_failures(self, failures: Iterable[PluginError]) -> list[str]:
        """What to show of them: sentences for administrators, nothing for others. A page with gaps is not kept."""
        messages = [failure.message for failure in failures]
        self.has_gaps = self.has_gaps or bool(messages)
        return messages if self.actor.is_admin else []

    def require(self, permission: str) -> None:
        """Raises LoginRequired for a stranger, Forbidden for anybody else without the permission."""
        if not self.actor.may(permission):
            refuse(self.ctx, "You do not have permission to do this.")

    def require_login(self) -> None:
        if self.actor.is_anonymous:
            raise LoginRequired("Please log in to continue.")


def current_visit() -> Visit:
    """The visit of the request that is being served. Only routes ask for it."""
    visit: Visit = g.visit
    return visit


def cookie_name(config: Config) -> str:
    """`__Host-` binds the cookie to this host and to TLS, so it is used wherever TLS is."""
    return "__Host-trovato" if config.secure_cookies else "trovato"


def begin_visit(rt: Runtime, sessions: Sessions, request_id: str) -> Visit:
    """A stranger's, of which nothing is read: it is what an error is answered to when nobody can be found out."""
    ctx = Context(request_id=request_id)
    return Visit(
        rt,
        sessions,
        ctx,
        None,
        is_token=False,
        generation=rt.cache.generation(),
        witness=open_witness(ctx.actor),
    )


async def open_visit(rt: Runtime, sessions: Sessions, request_id: str) -> Visit:
    """From the request's token or cookie. The plugins of this moment are those of the whole visit; an administrator
    who asks for `?safe=1` sees the site without any. Raises LoginRequired for a token that is not good any more."""
    visit = await _open_visit(rt, sessions, request_id)
    plugins = rt.plugins
    if visit.actor.is_admin and request.args.get("safe") == "1":
        plugins = PluginSet(generation=plugins.generation)
        visit.is_safe = True
    visit.rt = replace(rt, live_plugins=LivePlugins(plugins, rt.live_plugins.follower))
    return visit


async def _open_visit(rt: Runtime, sessions: Sessions, request_id: str) -> Visit:
    authorization = request.headers.get("Authorization", "")
    if authorization[:7].lower() == "bearer ":
        # What its person may is kept here: also what was taken from them a moment ago has to be known.
        await rt.cache.refresh()
        generation = rt.cache.generation()
        actor = await find_token_actor(rt, authorization[7:].strip(), request_id)
        if actor is None:
            raise LoginRequired(
                "This API token is unknown or has expired, or its person may use none any more."
            )
        ctx = Context(actor=actor, request_id=request_id)
        return Visit(
            rt, sessions, ctx, None, is_token=True, generation=generation, witness=open_witness(actor)
        )
    session: Session | None = None
    cookie = request.cookies.get(cookie_name(rt.config), "")
    if cookie:
        session, newest = await sessions.load(cookie)
        await rt.cache.observe(newest)
    generation = rt.cache.generation()
    if session is not None and session.user_id is not None:
        actor = await load_actor(rt, session.user_id)
    else:
        actor = await load_anonymous(rt)
    set_cookie = session.id if session is not None and session.is_remembered and session.is_renewed else None
    if session is not None and session.user_id is not None and actor.is_anonymous:
        # The account is blocked or gone, and so is what it had opened: nothing comes back with the account.
        await _end(sessions, session)
        session, set_cookie = None, ""
    ctx = Context(
        actor=actor,
        stage_id=session.active_stage if session and not actor.is_anonymous else LIVE,
        request_id=request_id,
        session_key=session.key if session else None,
    )
    return Visit(
        rt,
        sessions,
        ctx,
        session,
        is_token=False,
        generation=generation,
        witness=open_witness(actor),
        set_cookie=set_cookie,
    )


async def _end(sessions: Sessions, session: Session) -> None:
    try:
        await sessions.delete(session)
    except Unavailable as error:
        # It opens nothing, since the actor is read for every request.
        log.warning("a session of a blocked account could not be ended", error=error.detail)

"""Tells who somebody is by now whose request was let in earlier, for answers that go on for minutes."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from quart import request

from kernel.context import Context
from kernel.errors import Forbidden
from kernel.user.load import load_actor, load_anonymous
from kernel.user.token import find_token_actor
from web.visit import Visit

Look: TypeAlias = Callable[[], Awaitable[Context]]


def stand_by(visit: Visit) -> Look:
    """What to ask, as often as something is told, for the rights of that moment. It raises Forbidden when the session
    has ended, the token is not good any more, or the account is blocked or gone, and Unavailable when that cannot be
    known just now. To ask does not count as a use of the session."""
    rt, ctx, session, sessions = visit.rt, visit.ctx, visit.session, visit.sessions
    token = request.headers.get("Authorization", "")[7:].strip() if visit.is_token else ""

    async def look() -> Context:
        if session is not None and not await sessions.is_alive(session):
            raise Forbidden("This session has ended.")
        if not token and (session is None or session.user_id is None):
            return ctx.acting_as(await load_anonymous(rt))
        actor = await (find_token_actor(rt, token, ctx.request_id) if token else load_actor(rt, ctx.actor.id))
        if actor is None or actor.is_anonymous:
            raise Forbidden("Whoever began this is let in no more.")
        return ctx.acting_as(actor)

    return look

"""Lets somebody in: from the first step of a login over the page for a code to a session of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

from quart import Response, request

from kernel import clock
from kernel.errors import Forbidden
from kernel.form.login_forms import LOGIN_CODE_PATH
from kernel.ids import parse_uuid
from kernel.shared.session import Client, Session
from kernel.user.login import LoginOver, LoginStep, Source, require_login_holds, verify_own_password
from kernel.user.model import User
from web.browser_name import name_browser
from web.cookies import device_cookie_name
from web.respond import redirect_after_change
from web.visit import Visit

# In a stranger's session: that the first step was made, and until when that holds.
PENDING: Final = "login"
PENDING_S: Final = 600.0
AFTER_LOGIN: Final = "/admin"
WRONG_PASSWORD: Final = "This is not your current password."  # noqa: S105  # a sentence
# What may stand in an address as it is; everything else is escaped, for a header that is ASCII alone.
PLAIN: Final = "/?#[]@!$&'()*+,;=:%~"


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that waits for its code."""

    user_id: UUID
    stamp: str
    is_remembered: bool
    destination: str


def read_destination(text: str) -> str:
    """A path of this site to go on to, or the dashboard: never an address elsewhere."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return AFTER_LOGIN
    try:
        parts = urlsplit(text)
    except ValueError:
        return AFTER_LOGIN
    if parts.scheme or parts.netloc or text.startswith("/user/log"):
        return AFTER_LOGIN
    return quote(text, safe=PLAIN)


def read_source(visit: Visit) -> Source:
    return Source(visit.ctx.client_address, request.cookies.get(device_cookie_name(visit.rt.config), ""))


def in_session(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    """For what people do about their own logins: no program with a token of theirs may. Raises LoginRequired,
    Forbidden."""
    visit.require_login()
    if visit.is_token:
        raise Forbidden("This takes a person who is logged in; an API token is not enough.")


async def enter(
    visit: Visit, step: LoginStep, *, is_remembered: bool = False, destination: str = ""
) -> Response:
    """A new session id at every gain of rights, so that one planted before the login is worth nothing. With a code to
    come there are no rights yet, and still an id that nobody else knows. Raises LoginOver when the account has changed
    since the step."""
    goal = read_destination(destination)
    if step.needs_code:
        visit.session = await visit.sessions.rotate(visit.session, user_id=None)
        until = clock.now().timestamp() + PENDING_S
        data = {
            "user_id": str(step.user.id),
            "stamp": step.stamp,
            "is_remembered": is_remembered,
            "destination": goal,
            "until": until,
        }
        visit.session = replace(visit.session, data={**visit.session.data, PENDING: data})
        await visit.sessions.save(visit.session)
        visit.set_cookie = visit.session.id
        return redirect_after_change(LOGIN_CODE_PATH)
    visit.session = await visit.sessions.rotate(
        _without_pending(visit.session),
        user_id=step.user.id,
        client=_read_client(visit),
        is_remembered=is_remembered,
    )
    try:
        await require_login_holds(visit.rt, step)
    except LoginOver:
        await visit.sessions.delete(visit.session)
        visit.session, visit.set_cookie = None, ""
        raise
    visit.set_cookie = visit.session.id
    visit.device_cookie = step.device
    return redirect_after_change(goal)


async def renew_session(visit: Visit) -> None:
    """Another id for the session of somebody who is logged in, after a change of what lets them in. Raises
    LoginRequired when it has ended meanwhile."""
    session = visit.session
    if session is not None:
        visit.session = await visit.sessions.rotate(
            session,
            user_id=session.user_id,
            client=_read_client(visit),
            is_remembered=session.is_remembered,
        )
        visit.set_cookie = visit.session.id


async def check_own_password(visit: Visit, user: User, values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the password that a form asks for under `current`, of a person who has one. Raises Locked."""
    if user.has_password and not await verify_own_password(visit.rt, visit.ctx, user, values["current"]):
        return {"current": WRONG_PASSWORD}
    return {}


def find_pending(visit: Visit) -> Pending | None:
    """The login that waits for its code in this browser; None when its time is over."""
    data: dict[str, Any] = visit.session.data.get(PENDING, {}) if visit.session is not None else {}
    user_id = parse_uuid(data.get("user_id", ""))
    if user_id is None or data["until"] < clock.now().timestamp():
        return None
    return Pending(user_id, data["stamp"], data["is_remembered"], data["destination"])


async def drop_pending(visit: Visit) -> None:
    visit.session = _without_pending(visit.session)
    if visit.session is not None:
        await visit.sessions.save(visit.session)


def _without_pending(session: Session | None) -> Session | None:
    if session is None:
        return None
    return replace(session, data={name: value for name, value in session.data.items() if name != PENDING})


def _read_client(visit: Visit) -> Client:
    return Client(name_browser(request.headers.get("User-Agent", "")), visit.ctx.client_address)

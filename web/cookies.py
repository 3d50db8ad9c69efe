"""Writes the two cookies of a browser: the session, and the one by which it is known again at the next login."""

from typing import Final

from quart import Response

from kernel.config import Config
from kernel.user.entry.device import KNOWN_FOR_S
from web.visit import Visit, cookie_name

SAME_SITE: Final = "Strict"


def device_cookie_name(config: Config) -> str:
    return f"{cookie_name(config)}-device"


def write_cookies(config: Config, visit: Visit, response: Response) -> None:
    """What the visit has to tell the browser. A session that is not to be remembered goes with the browser's window."""
    secure = config.secure_cookies
    name, session = cookie_name(config), visit.session
    if visit.set_cookie == "":
        response.delete_cookie(name, httponly=True, secure=secure, samesite=SAME_SITE, path="/")
    elif visit.set_cookie is not None:
        lasts = session is not None and session.is_remembered
        ttl_s = (
            visit.sessions.ttl_of(user_id=session.user_id, is_remembered=True) if session and lasts else None
        )
        response.set_cookie(
            name,
            visit.set_cookie,
            max_age=int(ttl_s) if ttl_s is not None else None,
            httponly=True,
            secure=secure,
            samesite=SAME_SITE,
            path="/",
        )
    if visit.device_cookie:
        response.set_cookie(
            device_cookie_name(config),
            visit.device_cookie,
            max_age=KNOWN_FOR_S,
            httponly=True,
            secure=secure,
            samesite=SAME_SITE,
            path="/",
        )

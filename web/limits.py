"""What every request passes: how often this may still be done by whoever asks.

Who is logged in is counted by session or token, and everybody else by the address that they come from. Without Redis
nothing can be counted: then nobody can log in, since passwords could be tried without end, and everything else goes on.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from quart import Response, g, request

from kernel import clock
from kernel.errors import TooMany, Unavailable
from kernel.log import get_logger
from kernel.rate_limit.load import load_limits
from kernel.rate_limit.model import API_READ, API_WRITE, FORMS, LOGIN, PAGES, STRANGERS, Door, Limits
from kernel.runtime import Runtime
from kernel.shared.rate_limit import RateLimits, Share, Window, describe_shares, find_refusal
from kernel.shared.refusals import KEEP_S, name_tally, write_refusal
from kernel.user.entry.lockout import find_network
from web.client_address import read_client_address
from web.visit import Visit

log = get_logger(__name__)

SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
# Below it strangers reach accounts: by a password, a link, a second factor, a registration.
ACCOUNTS: Final = "/user/"
# The doors among them by which anybody comes in, whether a session is open in that browser or not.
ENTRANCES: Final = ("/user/login", "/user/login-link", "/user/password-reset", "/user/register")


class TooOften(TooMany):
    """A request that came before its time; `wait_s` says when it may come again."""

    def __init__(self, share: Share) -> None:
        seconds = max(1, math.ceil(share.wait_s))
        super().__init__(f"This was asked for too often. Please wait {_say(seconds)}, then try again.")
        self.wait_s = seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """What the limits look at of a request. `rule` is the template of its route; `address` the network that it comes
    from; `session` the key of a session, also a stranger's, and `user_id` whose session or token it is."""

    method: str
    path: str
    rule: str
    address: str
    session: str = ""
    token: str = ""
    user_id: UUID | None = None

    @property
    def is_change(self) -> bool:
        return self.method not in SAFE_METHODS

    @property
    def requester(self) -> str:
        """Whose share of a limit is used."""
        if self.token:
            return f"token-{self.token}"
        return f"session-{self.session}" if self.user_id is not None else f"address-{self.address}"


def list_windows(limits: Limits, asked: Asked) -> list[Window]:
    """The windows that this request is counted in; none for what may be done as often as anybody likes."""
    if limits.is_excluded(asked.path):
        return []
    method = "GET" if asked.method == "HEAD" else asked.method
    wanted = [(door.name, who, limits.doors[door.name]) for door, who in _list_doors(asked)]
    for route in (f"{method} {asked.rule}", f"{method} {asked.path}"):
        if route in limits.routes:
            wanted = [(route, asked.requester, limits.routes[route])]
    return [
        Window(name, who, limit.requests, limit.window_s, _describe_refusal(name, asked))
        for name, who, limit in wanted
        if limit is not None
    ]


def _is_entrance(path: str) -> bool:
    return any(path == door or path.startswith(f"{door}/") for door in ENTRANCES)


def _list_doors(asked: Asked) -> list[tuple[Door, str]]:
    address = f"address-{asked.address}"
    if asked.token:
        return [(API_WRITE if asked.is_change else API_READ, asked.requester)]
    if not asked.is_change:
        return [(PAGES, asked.requester)]
    session = [(FORMS, f"session-{asked.session}")] if asked.session else []
    if asked.user_id is not None:
        # Else whoever has an account could try those of others without end.
        return [(LOGIN, address), *session] if _is_entrance(asked.path) else session
    # A stranger has another session whenever he likes.
    strangers = [*session, (STRANGERS, address)]
    return [(LOGIN, address), *strangers] if asked.path.startswith(ACCOUNTS) else strangers


async def check_limits(rt: Runtime, rates: RateLimits, visit: Visit) -> None:
    """Raises TooOften, and Unavailable for a login that cannot be counted."""
    if rt.config.rate_limits:
        await _take(rt, rates, _read_asked(rt, visit))


async def note_bad_token(rt: Runtime, rates: RateLimits) -> None:
    """For a request whose token is not good: counted like a form of a stranger. Raises TooOften."""
    if rt.config.rate_limits:
        await _take(rt, rates, Asked("POST", "/", "/", find_network(read_client_address(rt.config, request))))


def add_limit_headers(response: Response) -> None:
    for name, value in g.get("limit_headers", {}).items():
        response.headers[name] = value


async def _take(rt: Runtime, rates: RateLimits, asked: Asked) -> None:
    windows = list_windows(await load_limits(rt), asked)
    if not windows:
        return
    try:
        shares = await rates.take(
            windows,
            tally=name_tally(clock.now()),
            keep_tally_s=KEEP_S,
        )
    except Unavailable as error:
        log.warning("limits cannot be counted", error=error.detail)
        if any(window.name == LOGIN.name for window in windows):
            raise Unavailable(
                "Nobody can log in just now: a part of this site is not answering. Please try again in a moment."
            ) from error
        return
    g.limit_headers = dict(describe_shares(shares))
    refused = find_refusal(shares)
    if refused is not None:
        log.info("too many requests", limit=refused.window.name)
        raise TooOften(refused)


def _read_asked(rt: Runtime, visit: Visit) -> Asked:
    token = request.headers.get("Authorization", "")[7:].strip() if visit.is_token else ""
    return Asked(
        request.method,
        request.path,
        request.url_rule.rule if request.url_rule is not None else "",
        find_network(read_client_address(rt.config, request)),
        session=visit.session.key if visit.session is not None else "",
        token=hashlib.sha256(token.encode()).hexdigest()[:32] if token else "",
        user_id=None if visit.actor.is_anonymous else visit.actor.id,
    )


def _describe_refusal(name: str, asked: Asked) -> str:
    """For the report: a person where one is known, else an address; never a session or a token."""
    if asked.user_id is not None:
        return write_refusal(name, "token" if asked.token else "user", str(asked.user_id))
    return write_refusal(name, "address", asked.address)


def _say(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"

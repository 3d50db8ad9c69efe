"""The limits of a site as values, and the texts in which people write them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kernel.shared.rate_limit import REQUESTS_MAX

SETTING: Final = "site.rate_limits"

UNITS: Final = {"s": 1, "min": 60, "h": 3_600, "day": 86_400}
WINDOW_MAX_S: Final = UNITS["day"]
RULES_MAX: Final = 100
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_LIMIT: Final = re.compile(r"(\d{1,6})\s*/\s*(\d{0,5})\s*(s|min|h|day)")
# It stands in a header field too, between quotes.
_PATH: Final = re.compile(r"/[!#-\[\]-~]{0,299}")
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Limit:
    requests: int
    window_s: int

    def __str__(self) -> str:
        unit, seconds = next(
            (name, length) for name, length in reversed(UNITS.items()) if self.window_s % length == 0
        )
        number = self.window_s // seconds
        return f"{self.requests}/{number if number != 1 else ''}{unit}"


@dataclass(frozen=True, slots=True)
class Door:
    """A class of requests with a limit of its own. `default` None: as often as they like."""

    name: str
    label: str
    help: str
    default: Limit | None


LOGIN: Final = Door(
    "login",
    "Logging in",
    "For each address: attempts to log in, and the other forms with which strangers reach an account.",
    Limit(5, 60),
)
FORMS: Final = Door("forms", "Forms", "For each session: whatever changes something.", Limit(30, 60))
STRANGERS: Final = Door(
    "strangers",
    "Forms of strangers",
    "For each address: forms of all visitors there who are not logged in, and API tokens that are not good.",
    Limit(120, 60),
)
API_READ: Final = Door("api_read", "API, reading", "For each API token.", Limit(600, 60))
API_WRITE: Final = Door("api_write", "API, changing", "For each API token.", Limit(120, 60))
PAGES: Final = Door(
    "pages",
    "Pages",
    "For each session, or address without one. Pages that are kept for strangers are given out without counting.",
    None,
)
DOORS: Final = (LOGIN, FORMS, STRANGERS, API_READ, API_WRITE, PAGES)


@dataclass(frozen=True, slots=True)
class Limits:
    """`routes` maps a method and a route, such as `GET /search`, to a limit that it has in place of its door's;
    requests below a path of `excluded` are not counted."""

    doors: Mapping[str, Limit | None] = field(
        default_factory=lambda: {door.name: door.default for door in DOORS}
    )
    routes: Mapping[str, Limit | None] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()

    def is_excluded(self, path: str) -> bool:
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.excluded)

    def as_setting(self) -> dict[str, Any]:
        return {
            "doors": {name: describe_limit(limit) for name, limit in self.doors.items()},
            "routes": {route: describe_limit(limit) for route, limit in self.routes.items()},
            "excluded": list(self.excluded),
        }


def describe_limit(limit: Limit | None) -> str:
    return _NONE if limit is None else str(limit)


def read_limit(text: str) -> Limit | None:
    """Of `30/min`, `5/10s` or `none`. Raises ValueError with a sentence."""
    text = text.strip()
    if text == _NONE:
        return None
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise ValueError("Write a limit like 30/min, 5/10s, 1000/day, or none.")
    requests, window_s = int(found[1]), int(found[2] or 1) * UNITS[found[3]]
    if not 1 <= requests <= REQUESTS_MAX:
        raise ValueError(f"A limit allows 1 to {REQUESTS_MAX:,} requests. To count nothing, write none.")
    if not 1 <= window_s <= WINDOW_MAX_S:
        raise ValueError("A limit is for one second to one day.")
    return Limit(requests, window_s)


def read_limits(stored: Any) -> Limits:
    """Of the setting's JSON; None stands for the defaults. Raises ValueError for the first thing that is wrong."""
    if stored is None:
        return Limits()
    limits, problems = check_limits(stored)
    if problems:
        raise ValueError(" ".join(problems.values()))
    return limits


def check_limits(stored: Any) -> tuple[Limits, dict[str, str]]:
    """The limits, and what is wrong by the name of the field: of a door, `routes` or `excluded`."""
    if not isinstance(stored, dict):
        return Limits(), {"": "Limits are an object with doors, routes and excluded."}
    problems: dict[str, str] = {}
    doors: dict[str, Limit | None] = {}
    told = stored.get("doors", {})
    for door in DOORS:
        text = told.get(door.name, describe_limit(door.default)) if isinstance(told, dict) else ""
        try:
            doors[door.name] = read_limit(str(text))
        except ValueError as error:
            problems[door.name] = str(error)
    routes, problem = _check_routes(stored.get("routes", {}))
    if problem:
        problems["routes"] = problem
    excluded = stored.get("excluded", [])
    if not isinstance(excluded, list) or len(excluded) > RULES_MAX or not all(map(_is_path, excluded)):
        problems["excluded"] = (
            f"Write up to {RULES_MAX} paths, each of which begins with / and is ASCII without spaces and quotes."
        )
        excluded = []
    return Limits(doors, routes, tuple(excluded)), problems


def name_unknown(told: Mapping[str, Any]) -> dict[str, str]:
    """Complaints about what new limits name and the site does not have: taken for left out, it would change something
    else. Of what is stored already, perhaps by another version, nobody asks this."""
    known, doors = ("doors", "routes", "excluded"), [door.name for door in DOORS]
    problems = {key[:64]: f"Limits have {', '.join(known)}." for key in told if key not in known}
    named = told.get("doors")
    if isinstance(named, dict):
        problems |= {
            name[:64]: f"There is no such door. There are {', '.join(doors)}."
            for name in named
            if name not in doors
        }
    return problems


def _check_routes(told: Any) -> tuple[dict[str, Limit | None], str]:
    if not isinstance(told, dict) or len(told) > RULES_MAX:
        return {}, f"Write up to {RULES_MAX} routes with their limits."
    routes: dict[str, Limit | None] = {}
    for route, text in told.items():
        method, _, path = route.partition(" ")
        if method not in METHODS or not _is_path(path):
            return {}, f"{route[:60]!r}: write a method and a path, such as GET /search."
        try:
            routes[route] = read_limit(str(text))
        except ValueError as error:
            return {}, f"{route[:60]}: {error}"
    return routes, ""


def _is_path(text: object) -> bool:
    return isinstance(text, str) and _PATH.fullmatch(text) is not None

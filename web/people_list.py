"""What is asked of the list of people, and what is to be done to those that were ticked."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, cast, get_args
from urllib.parse import urlencode
from uuid import UUID

from kernel.errors import BadInput, NotFound
from kernel.ids import parse_uuid
from kernel.names import has_forbidden_text
from kernel.people.change import OF_ROLES
from kernel.people.model import SORTS, PeopleFilter
from kernel.person_jobs import ChangePeople, PeopleChange

PEOPLE_PATH: Final = "/admin/people"
TEXT_MAX: Final = 100
# So many may be ticked; a page has fewer.
CHOSEN_MAX: Final = 200
ADMINISTRATORS: Final = "admin"
DONE: Final[Mapping[PeopleChange, str]] = {
    "block": "blocked, and logged out everywhere",
    "unblock": "unblocked",
    "add_role": "given the role",
    "remove_role": "rid of the role",
}


def read_people_filter(given: Mapping[str, str], role_ids: Collection[UUID]) -> PeopleFilter:
    """Raises NotFound for what nobody can have chosen."""
    text, status, role, sort = (given.get(name, "").strip() for name in ("text", "status", "role", "sort"))
    if len(text) > TEXT_MAX or has_forbidden_text(text):
        raise NotFound(f"A text to look for has {TEXT_MAX} characters at most, all of which can be stored.")
    is_role = role in {"", ADMINISTRATORS} or parse_uuid(role) in role_ids
    if status not in {"", "active", "blocked"} or not is_role or sort not in {"", *SORTS}:
        raise NotFound("There is no such filter.")
    return PeopleFilter(text, status, role, sort or "name")  # type: ignore[arg-type]  # looked at above


def read_place(given: Mapping[str, str]) -> tuple[UUID | None, UUID | None]:
    """Behind whom the page begins, or before whom it ends. Raises NotFound."""
    places = []
    for name in ("after", "before"):
        text = given.get(name, "")
        place = parse_uuid(text)
        if text and place is None:
            raise NotFound("There is no such page of the list.")
        places.append(place)
    return places[0], places[1]


def read_change(submitted: Mapping[str, Sequence[str]]) -> ChangePeople:
    """Raises BadInput."""
    action = (submitted.get("action") or [""])[-1]
    if action not in get_args(PeopleChange):
        raise BadInput(f"There is no such action. There are: {', '.join(get_args(PeopleChange))}.")
    change = cast("PeopleChange", action)
    chosen = [parse_uuid(text) for text in submitted.get("item", ())]
    ids = list(dict.fromkeys(user_id for user_id in chosen if user_id is not None))
    if None in chosen or len(ids) > CHOSEN_MAX:
        raise BadInput(f"People are named by their ids, {CHOSEN_MAX} at most.")
    role_id = parse_uuid((submitted.get("role_id") or [""])[-1]) if change in OF_ROLES else None
    return ChangePeople(change, ids, role_id)


def build_address(chosen: PeopleFilter, **more: str) -> str:
    query = {**chosen.as_query(), **more}
    return f"{PEOPLE_PATH}?{urlencode(query)}" if query else PEOPLE_PATH


def tell_change(change: PeopleChange, changed: int) -> str:
    subject = "1 account was" if changed == 1 else f"{changed:,} accounts were"
    return f"{subject} {DONE[change]}."

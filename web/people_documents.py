"""People as programs see and change them: the same accounts, jobs and rules as the pages have, in JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast, get_args
from uuid import UUID

from quart import Response

from kernel.context import Actor
from kernel.errors import Forbidden, Invalid
from kernel.ids import parse_uuid, uuid7
from kernel.mail.address import normalise_address
from kernel.names import has_forbidden_text
from kernel.people.change import OF_ROLES
from kernel.people.model import AssignedRole, PeoplePage, Person
from kernel.people.rights import find_obstacle
from kernel.people.store import find_person, list_assignable_roles
from kernel.person_jobs import CHANGE_PEOPLE, SAVE_PERSON, ChangePeople, PeopleChange, SavePerson
from kernel.user.account import check_mail
from kernel.user.name import check_new_name, normalise_name
from kernel.user.password import check_password, hash_password
from web.people_list import CHOSEN_MAX, tell_change
from web.respond import NO_STORE, answer_json
from web.visit import Visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

PERSON_KEYS: Final = ("name", "mail", "active", "admin", "roles", "password", "seen")
CHANGE_KEYS: Final = ("action", "people", "role")
NO_KEY: Final = "There is no such key. A document has: {}."
UNFIT_PASSWORD: Final = "A password may not hold characters that no keyboard can type."  # noqa: S105  # a sentence
NOT_ITSELF: Final = "An API token does not change the account that it belongs to."
NO_MARK: Final = (
    "An API token makes nobody an administrator, and nobody an ordinary account: that takes a person."
)
NO_OPENING: Final = "An API token sets neither the password nor the address of an administrator."

_KINDS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "name": (lambda value: isinstance(value, str), "A name is a text."),
    "mail": (
        lambda value: value is None or isinstance(value, str),
        "An address is a text, or null for none.",
    ),
    "active": (lambda value: isinstance(value, bool), "Write true or false."),
    "admin": (lambda value: isinstance(value, bool), "Write true or false."),
    "roles": (
        lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
        "Roles are a list of the ids of roles.",
    ),
    "password": (lambda value: isinstance(value, str), "A password is a text."),
    "seen": (lambda value: isinstance(value, str), "Send what stood there when you read the account."),
}


def describe_person(actor: Actor, person: Person) -> dict[str, Any]:
    """`seen` is sent back with a change, so that what somebody else changed meanwhile is not overwritten."""
    user = person.user
    return {
        "id": str(person.id),
        "path": person.path,
        "name": person.name,
        "mail": user.mail,
        "active": user.is_active,
        "admin": user.is_admin,
        "roles": [{"id": str(role.id), "name": role.name} for role in person.roles],
        "created": user.created,
        "last_seen": user.access,
        "seen": person.digest(),
        "may_change": not find_obstacle(actor, person),
    }


def answer_people(actor: Actor, page: PeoplePage, roles: Sequence[AssignedRole]) -> Response:
    return answer_json(
        {
            "people": [describe_person(actor, person) for person in page.people],
            "total": page.total,
            "next_after": str(page.after) if page.after else None,
            "roles": [{"id": str(role.id), "name": role.name} for role in roles],
        },
        headers=NO_STORE,
    )


async def save_person_document(visit: Visit, person: Person | None, document: Mapping[str, Any]) -> Response:
    """What a document leaves out stays as it is. Raises Invalid, Forbidden and Conflict."""
    _refuse_own(visit, [person.id] if person is not None else [])
    roles = await list_assignable_roles(await visit.conn())
    payload = await _read_person(person, document, roles)
    if visit.is_token:
        _refuse_administrators(person, payload)
    job = await submit_and_wait(visit, SAVE_PERSON, payload, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=True)
    raise_refusal(read_result(job))
    saved = await find_person(await visit.conn(), payload.user_id)
    told: dict[str, Any] = {"message": f"{payload.name} was {'added' if person is None else 'saved'}."}
    if saved is not None:
        told |= {"person": describe_person(visit.actor, saved)}
    location = {"Location": f"/admin/people/{payload.user_id}"} if person is None else {}
    return answer_json(told, 201 if person is None else 200, {**NO_STORE, **location})


async def change_people_document(visit: Visit, document: Mapping[str, Any]) -> Response:
    """Those who cannot be changed are left alone, and the answer says why. Raises Invalid and Forbidden."""
    payload = _read_change(document)
    _refuse_own(visit, payload.user_ids)
    job = await submit_and_wait(visit, CHANGE_PEOPLE, payload, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=True)
    result = read_result(job)
    raise_refusal(result)
    told = {"message": tell_change(payload.change, result["changed"])}
    return answer_json({**told, **{name: result[name] for name in ("changed", "ids", "refused")}})


def _refuse_own(visit: Visit, user_ids: Sequence[UUID]) -> None:
    if visit.is_token and visit.actor.id in user_ids:
        raise Forbidden(NOT_ITSELF)


def _refuse_administrators(person: Person | None, payload: SavePerson) -> None:
    """Whoever has found the token of an administrator must not become one with an account of their own."""
    was_admin = person is not None and person.user.is_admin
    if payload.is_admin != was_admin:
        raise Forbidden(NO_MARK)
    if person is not None and was_admin and (payload.pass_hash or payload.mail != person.user.mail):
        raise Forbidden(NO_OPENING)


async def _read_person(
    person: Person | None, document: Mapping[str, Any], roles: Sequence[AssignedRole]
) -> SavePerson:
    """Raises Invalid with every problem at once. Whether the actor may is the worker's question."""
    problems = {key[:64]: NO_KEY.format(", ".join(PERSON_KEYS)) for key in document if key not in PERSON_KEYS}
    for key, (is_kind, complaint) in _KINDS.items():
        if key in document and not is_kind(document[key]):
            problems[key] = complaint
    if problems:
        raise Invalid(problems)
    name = normalise_name(document.get("name", person.name if person is not None else ""))
    mail = document.get("mail", person.user.mail if person is not None else None)
    mail = normalise_address(mail or "") or None
    password = document.get("password")
    role_ids = [parse_uuid(text) for text in document.get("roles", ())]
    if person is None or name != person.name:
        problems["name"] = check_new_name(name)
    if mail is not None and (person is None or mail != person.user.mail):
        problems["mail"] = check_mail(mail)
    if password is not None:
        problems["password"] = UNFIT_PASSWORD if has_forbidden_text(password) else check_password(password)
    if not set(role_ids) <= {role.id for role in roles}:
        problems["roles"] = f"There is no such role. There are: {', '.join(role.name for role in roles)}."
    problems = {key: problem for key, problem in problems.items() if problem}
    if problems:
        raise Invalid(problems)
    had = sorted(person.role_ids) if person is not None else []
    return SavePerson(
        user_id=person.id if person is not None else uuid7(),
        seen=document.get("seen", person.digest()) if person is not None else "",
        name=name,
        mail=mail,
        is_active=document.get("active", person is None or person.user.is_active),
        is_admin=document.get("admin", person is not None and person.user.is_admin),
        role_ids=[role_id for role_id in role_ids if role_id is not None] if "roles" in document else had,
        pass_hash=await hash_password(password) if password is not None else None,
    )


def _read_change(document: Mapping[str, Any]) -> ChangePeople:
    """Raises Invalid."""
    problems = {key[:64]: NO_KEY.format(", ".join(CHANGE_KEYS)) for key in document if key not in CHANGE_KEYS}
    action, people, role = (document.get(key) for key in CHANGE_KEYS)
    if action not in get_args(PeopleChange):
        problems["action"] = f"There is no such action. There are: {', '.join(get_args(PeopleChange))}."
    named = people if isinstance(people, list) else []
    ids = [parse_uuid(one) if isinstance(one, str) else None for one in named]
    if not ids or None in ids or len(ids) > CHOSEN_MAX:
        problems["people"] = f"People are named by their ids in a list, of 1 to {CHOSEN_MAX}."
    role_id = parse_uuid(role) if isinstance(role, str) else None
    if (isinstance(action, str) and action in OF_ROLES) != (role_id is not None):
        problems["role"] = "Name a role by its id, and only where one is given or taken."
    if problems:
        raise Invalid(problems)
    return ChangePeople(
        cast("PeopleChange", action), list(dict.fromkeys(one for one in ids if one is not None)), role_id
    )

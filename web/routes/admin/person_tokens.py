"""The API tokens of another person, for administrators."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response

from kernel.errors import Forbidden
from kernel.people.api_token import NO_TOKENS
from kernel.people.permission import ADMINISTER_USERS
from kernel.people.rights import ONLY_ADMINISTRATORS
from kernel.user.store import select_actor
from kernel.user.token import USE_API_TOKENS
from web.guard import Submitted, changing_route
from web.people_list import PEOPLE_PATH
from web.routes.admin.people import require_form
from web.routes.admin.person import BREADCRUMBS, PERSON, build_tabs, load_person
from web.token_pages import TokenPlace, make_token, revoke_token, show_tokens
from web.visit import Visit, current_visit

blueprint = Blueprint("person_tokens", __name__)

PATH: Final = f"{PERSON}/tokens"


def _may_give_tokens(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    """A token is as good as a login as that person."""
    visit.require(ADMINISTER_USERS)
    if not visit.actor.is_admin:
        raise Forbidden(ONLY_ADMINISTRATORS)


async def _find_place(visit: Visit, person_id: str) -> TokenPlace:
    person = await load_person(visit, person_id)
    owner = await select_actor(await visit.conn(), person.id)
    may_use = owner is not None and owner.may(USE_API_TOKENS)
    return TokenPlace(
        person.id,
        person.name,
        f"{PEOPLE_PATH}/{person.id}/tokens",
        may_make=may_use,
        obstacle=NO_TOKENS.format(person.name) if owner is not None and not may_use else "",
        breadcrumbs=(*BREADCRUMBS, (person.name, person.path)),
        tabs=tuple(build_tabs(visit, person, "API tokens")),
    )


@blueprint.get(PATH)
async def show_their_tokens(person_id: str) -> Response:
    visit = current_visit()
    _may_give_tokens(visit, {})
    return await show_tokens(visit, await _find_place(visit, person_id))


@changing_route(blueprint, PATH, form_id="api_token", access=_may_give_tokens)
async def make_their_token(
    person_id: str, submitted: Submitted | None, document: dict[str, Any] | None
) -> Response:
    visit = current_visit()
    return await make_token(visit, await _find_place(visit, person_id), require_form(submitted))


@changing_route(blueprint, f"{PATH}/revoke", form_id="api_token_revoke", access=_may_give_tokens)
async def revoke_their_token(
    person_id: str, submitted: Submitted | None, document: dict[str, Any] | None
) -> Response:
    visit = current_visit()
    return await revoke_token(visit, await _find_place(visit, person_id), require_form(submitted))

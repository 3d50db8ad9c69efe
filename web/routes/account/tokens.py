"""One's own API tokens."""

from typing import Any, Final

from quart import Blueprint, Response

from kernel.user.token import USE_API_TOKENS
from web.entry import in_session
from web.guard import Submitted, changing_route
from web.routes.admin.people import require_form
from web.token_pages import TokenPlace, make_token, revoke_token, show_tokens
from web.visit import Visit, current_visit

blueprint = Blueprint("account_tokens", __name__)

PATH: Final = "/user/tokens"


def _find_place(visit: Visit) -> TokenPlace:
    actor = visit.actor
    may_use = actor.may(USE_API_TOKENS)
    obstacle = "" if may_use else "You may not use API tokens, so that none of yours is good."
    return TokenPlace(actor.id, actor.name, PATH, may_use, obstacle, (("Account", "/user"),))


@blueprint.get(PATH)
async def show_own_tokens() -> Response:
    visit = current_visit()
    in_session(visit, {})
    return await show_tokens(visit, _find_place(visit))


@changing_route(blueprint, PATH, form_id="api_token", access=in_session)
async def make_own_token(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    visit.require(USE_API_TOKENS)
    return await make_token(visit, _find_place(visit), require_form(submitted))


@changing_route(blueprint, f"{PATH}/revoke", form_id="api_token_revoke", access=in_session)
async def revoke_own_token(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    return await revoke_token(visit, _find_place(visit), require_form(submitted))

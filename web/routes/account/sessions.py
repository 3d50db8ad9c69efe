"""Where somebody is logged in, and how to end that from afar."""

from typing import Any

from quart import Blueprint, Response

from kernel.errors import NotFound
from kernel.form.login_forms import SESSIONS_PATH
from kernel.shared.session import SESSION_KEY
from web.entry import in_session
from web.guard import Submitted, changing_route
from web.respond import redirect_after_change, show_page
from web.visit import current_visit

blueprint = Blueprint("account_sessions", __name__)


@blueprint.get(SESSIONS_PATH)
async def show_sessions() -> Response:
    visit = current_visit()
    in_session(visit, {})
    sessions = await visit.sessions.list_own(visit.actor.id)
    mine = visit.session.key if visit.session is not None else ""
    return await show_page(
        "user/sessions.html",
        title="Where you are logged in",
        breadcrumbs=(("Account", "/user"),),
        rows=sorted(sessions, key=lambda session: session.key != mine),
        mine=mine,
    )


@changing_route(blueprint, f"{SESSIONS_PATH}/end", form_id="session_end", access=in_session)
async def end_session(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """Raises NotFound for a session that is nobody's or somebody else's."""
    visit = current_visit()
    key = ((submitted or {}).get("session") or [""])[-1]
    if not SESSION_KEY.fullmatch(key) or not await visit.sessions.delete_own(visit.actor.id, key):
        raise NotFound("There is no such session. It may have ended meanwhile.")
    if visit.session is not None and key == visit.session.key:
        visit.session, visit.set_cookie = None, ""
        return redirect_after_change("/")
    await visit.sessions.add_flash(await visit.need_session(), "success", "That session has ended.")
    return redirect_after_change(SESSIONS_PATH)


@changing_route(blueprint, f"{SESSIONS_PATH}/end-all", form_id="session_end_all", access=in_session)
async def end_all_sessions(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    """This one too."""
    visit = current_visit()
    await visit.sessions.delete_all(visit.actor.id)
    visit.session, visit.set_cookie = None, ""
    return redirect_after_change("/")

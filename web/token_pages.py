"""The page of somebody's API tokens, which they have for themselves and administrators have of others."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from quart import Response

from kernel import clock
from kernel.errors import Invalid, NotFound
from kernel.form.model import Form, Option
from kernel.form.render import render_form
from kernel.form.validate import validate_form
from kernel.ids import parse_uuid, uuid7
from kernel.people.permission import list_permissions
from kernel.person_jobs import DELETE_API_TOKEN, SAVE_API_TOKEN, DeleteApiToken, SaveApiToken
from kernel.user.load import load_user
from kernel.user.store import list_api_tokens, select_actor
from kernel.user.token import build_api_token, digest_api_token
from web.entry import check_own_password
from web.guard import Submitted
from web.people_forms import build_token_form
from web.respond import NO_STORE, redirect_after_change, show_page
from web.visit import Visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Whose tokens, on which page. `may_make` says whether whoever looks at it may make one, `obstacle` what keeps all
    of them from being good."""

    user_id: UUID
    name: str
    path: str
    may_make: bool
    obstacle: str = ""
    breadcrumbs: tuple[tuple[str, str], ...] = ()
    tabs: tuple[tuple[str, str, bool], ...] = ()


async def show_tokens(
    visit: Visit,
    place: TokenPlace,
    values: dict[str, Any] | None = None,
    problems: dict[str, str] | None = None,
    *,
    status: int = 200,
    token: str = "",
) -> Response:
    """`token` is one that was just made; it stands on this answer and nowhere else."""
    form = await _build_form(visit, place)
    tokens = await list_api_tokens(await visit.conn(), place.user_id)
    now = clock.now()
    session = await visit.need_session()
    response = await show_page(
        "user/tokens.html",
        title="API tokens" if not place.tabs else f"API tokens of {place.name}",
        status=status,
        breadcrumbs=place.breadcrumbs,
        tabs=place.tabs,
        rows=[{"token": t, "is_over": t.expires is not None and t.expires <= now} for t in tokens],
        form=render_form(visit.rt.renderer, form, session=session, values=values, problems=problems)
        if place.may_make
        else "",
        made=token,
        path=place.path,
        obstacle=place.obstacle,
    )
    response.headers.update(NO_STORE)
    return response


async def make_token(visit: Visit, place: TokenPlace, submitted: Submitted) -> Response:
    """Shows it once. Sent again, the form makes another one: of the first one nobody knows any more."""
    form = await _build_form(visit, place)
    submission = validate_form(form, visit.session, submitted)
    values, problems = submission.values, dict(submission.problems)
    is_limited = values.get("reach") == "chosen"
    if not problems and is_limited and not values["scope"]:
        problems["scope"] = "Tick what the token may do, or let it do whatever the account may."
    # It lasts longer than a session that was left open, or taken.
    problems = problems or await check_own_password(visit, await load_user(visit.rt, visit.actor.id), values)
    if problems:
        return await show_tokens(visit, place, submission.raw, problems, status=Invalid.status)
    token = build_api_token()
    payload = SaveApiToken(
        token_id=uuid7(),
        user_id=place.user_id,
        digest=digest_api_token(token).hex(),
        label=values["label"],
        expires=clock.now() + timedelta(days=int(values["days"])),
        scope=list(values["scope"]) if is_limited else None,
    )
    job = await submit_and_wait(visit, SAVE_API_TOKEN, payload, None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    if result["outcome"] == "invalid":
        return await show_tokens(visit, place, submission.raw, result["problems"], status=Invalid.status)
    raise_refusal(result)
    return await show_tokens(visit, place, token=token)


async def revoke_token(visit: Visit, place: TokenPlace, submitted: Submitted) -> Response:
    """Raises NotFound for what cannot be the id of one."""
    token_id = parse_uuid((submitted.get("token") or [""])[-1])
    if token_id is None:
        raise NotFound("There is no such token.")
    job = await submit_and_wait(visit, DELETE_API_TOKEN, DeleteApiToken(place.user_id, token_id), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    raise_refusal(read_result(job))
    text = "The token was revoked. It opens nothing any more."
    await visit.sessions.add_flash(await visit.need_session(), "success", text)
    return redirect_after_change(place.path)


async def _build_form(visit: Visit, place: TokenPlace) -> Form:
    owner = await select_actor(await visit.conn(), place.user_id)
    known = await list_permissions(visit.rt, visit.ctx)
    own = [permission for permission in known if owner is not None and owner.may(permission.name)]
    maker = await load_user(visit.rt, visit.actor.id)
    return build_token_form(
        place.path,
        [Option(permission.name, permission.title) for permission in own],
        has_password=maker.has_password,
    )

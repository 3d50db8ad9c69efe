"""Makes and revokes API tokens: one's own, or for administrators those of others."""

from typing import Any, Final

from kernel import clock
from kernel.context import Actor
from kernel.ledger.run import Finish, JobRun
from kernel.people.rights import find_obstacle
from kernel.people.store import find_person
from kernel.person_jobs import DeleteApiToken, SaveApiToken
from kernel.runtime import Runtime
from kernel.user.account import check_label
from kernel.user.entry.notices import TOKEN_MADE, tell_person
from kernel.user.load import load_again
from kernel.user.store import delete_api_token, insert_api_token, list_api_tokens, select_actor
from kernel.user.token import USE_API_TOKENS

# Of one person, at a time.
TOKENS_MAX: Final = 50
DAYS_MAX: Final = 366
NOT_YOURS: Final = "You may not change the tokens of this person."
NO_TOKENS: Final = (
    "{} may not use API tokens, so that none is good. A role with the permission “use api tokens” lets them."
)


async def run_save_api_token(rt: Runtime, run: JobRun) -> None:
    """The work of a `save_api_token` job."""
    payload: SaveApiToken = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        refusal = await _find_refusal(finish, actor, payload)
        if refusal is not None:
            finish.result = refusal
            return
        await insert_api_token(
            finish.conn,
            token_id=payload.token_id,
            user_id=payload.user_id,
            digest=bytes.fromhex(payload.digest),
            label=payload.label.strip(),
            expires=payload.expires,
            scope=payload.scope,
        )
        if actor.id != payload.user_id:
            detail = f"It is called “{payload.label.strip()}”."
            await tell_person(finish, rt.config, payload.user_id, TOKEN_MADE, detail=detail)
        finish.result = {"outcome": "saved"}


async def run_delete_api_token(rt: Runtime, run: JobRun) -> None:
    """The work of a `delete_api_token` job."""
    payload: DeleteApiToken = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        if actor.id != payload.user_id and await _find_obstacle(finish, actor, payload):
            finish.result = {"outcome": "forbidden", "message": NOT_YOURS}
            return
        tokens = await list_api_tokens(finish.conn, payload.user_id)
        if payload.token_id in {token.id for token in tokens}:
            await delete_api_token(finish.conn, payload.token_id)
        finish.result = {"outcome": "saved"}


async def _find_refusal(finish: Finish, actor: Actor, payload: SaveApiToken) -> dict[str, Any] | None:
    obstacle = await _find_obstacle(finish, actor, payload)
    if not obstacle and actor.scope is not None:
        obstacle = "A program cannot make tokens."
    owner = await select_actor(finish.conn, payload.user_id)
    if not obstacle and owner is None:
        obstacle = "This account is blocked or gone."
    if not obstacle and owner is not None and not owner.may(USE_API_TOKENS):
        obstacle = NO_TOKENS.format(owner.name)
    if obstacle or owner is None:
        return {"outcome": "forbidden", "message": obstacle}
    problems = {"label": check_label(payload.label.strip())}
    if payload.expires <= clock.now():
        problems["days"] = "A token must be good for a day at least."
    if payload.scope is not None and not owner.is_admin:
        beyond = sorted(set(payload.scope) - owner.permissions)
        if beyond:
            problems["scope"] = f"{owner.name} may not do this: {', '.join(beyond)}."
    if len(await list_api_tokens(finish.conn, payload.user_id)) >= TOKENS_MAX:
        problems[""] = f"There are {TOKENS_MAX} tokens already. Revoke one that is not used any more."
    problems = {field: problem for field, problem in problems.items() if problem}
    return {"outcome": "invalid", "problems": problems} if problems else None


async def _find_obstacle(finish: Finish, actor: Actor, payload: SaveApiToken | DeleteApiToken) -> str:
    if actor.id == payload.user_id and not actor.is_anonymous:
        return "" if actor.may(USE_API_TOKENS) else "You may not make API tokens."
    person = await find_person(finish.conn, payload.user_id)
    return NOT_YOURS if person is None or not actor.is_admin else find_obstacle(actor, person)

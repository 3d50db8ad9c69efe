"""The only way to make a route that changes something: with an access rule and a check against forged requests."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeAlias

from quart import Blueprint, Response, current_app, request

from kernel.errors import BadInput, Forbidden, StaleForm
from kernel.form.token import TOKEN_FIELD, TOKEN_HEADER, require_form_token
from kernel.log import get_logger
from kernel.names import has_forbidden_text
from kernel.runtime import Runtime
from web.visit import Visit, current_visit

log = get_logger(__name__)

Submitted: TypeAlias = Mapping[str, Sequence[str]]
Access: TypeAlias = Callable[[Visit, Mapping[str, Any]], None]
Handler: TypeAlias = Callable[..., Awaitable[Response]]
KeyCheck: TypeAlias = Callable[[Runtime, str], Awaitable[bool]]

# What a script that uses a session sends its token under, in place of a form's own id.
SCRIPT_FORM_ID = "script"
# Of objects and lists within one another in a JSON body. No door asks for more than a few, and what goes on with a
# document goes down through its levels.
LEVELS_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Guard:
    """`redisplay` shows the form again with what was entered when its token no longer holds."""

    form_id: str
    access: Access
    redisplay: Handler | None


def changing_route(
    blueprint: Blueprint,
    rule: str,
    *,
    form_id: str,
    access: Access,
    redisplay: Handler | None = None,
) -> Callable[[Handler], Handler]:
    """Register a POST route. The handler is called with `submitted` (a form's values) or `document` (a JSON object),
    after the access rule and the token have been checked."""
    guard = Guard(form_id, access, redisplay)

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(**arguments: Any) -> Response:
            visit = current_visit()
            guard.access(visit, arguments)
            if request.is_json:
                _check_script(visit)
                return await handler(**arguments, submitted=None, document=await _read_document())
            submitted = (await request.form).to_dict(flat=False)
            try:
                _check_form(visit, guard.form_id, submitted)
            except StaleForm as stale:
                _log_forgery(visit, guard.form_id, stale)
                if guard.redisplay is None:
                    raise
                return await guard.redisplay(**arguments, submitted=submitted, stale=stale)
            return await handler(**arguments, submitted=submitted, document=None)

        guarded.guard = guard  # type: ignore[attr-defined]  # read by the test that walks the route table
        blueprint.add_url_rule(rule, handler.__name__, guarded, methods=["POST"])
        return handler

    return decorate


@dataclass(frozen=True, slots=True)
class KeyGuard:
    """What a door has instead of a Guard that programs open with a key in its address."""

    is_key: KeyCheck


def keyed_route(blueprint: Blueprint, rule: str, *, is_key: KeyCheck) -> Callable[[Handler], Handler]:
    """Register a route for GET and POST below `rule`, without a form token: who comes here has no session, and the
    rest of the address is the proof. The handler is called with the runtime, after the key was checked."""
    guard = KeyGuard(is_key)

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(key: str) -> Response:
            rt: Runtime = current_app.extensions["trovato"]
            if not await guard.is_key(rt, key):
                raise Forbidden("This is not the key.")
            return await handler(rt)

        guarded.guard = guard  # type: ignore[attr-defined]  # read by the test that walks the route table
        methods = ["GET", "POST"]
        blueprint.add_url_rule(f"{rule}/<path:key>", handler.__name__, guarded, methods=methods)
        blueprint.add_url_rule(f"{rule}/", handler.__name__, guarded, methods=methods, defaults={"key": ""})
        return handler

    return decorate


def anybody(_visit: Visit, _arguments: Mapping[str, Any]) -> None:
    """For doors that are open to strangers by their nature, such as the login."""


def logged_in(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require_login()


def _check_form(visit: Visit, form_id: str, submitted: Submitted) -> None:
    if visit.is_token:
        raise BadInput("With an API token, send JSON (Content-Type: application/json).")
    require_form_token(visit.session, form_id, (submitted.get(TOKEN_FIELD) or [""])[0])


def _log_forgery(visit: Visit, form_id: str, stale: StaleForm) -> None:
    """Mostly an old page; many of them from one address are an attempt."""
    log.warning(
        "perhaps a forged request: its form token does not hold",
        form=form_id,
        # Not the path, in which the token of a link may stand that still lets somebody in.
        route=request.url_rule.rule if request.url_rule is not None else "",
        origin=request.headers.get("Origin", ""),
        user_id=str(visit.actor.id),
        detail=stale.detail,
    )


def _check_script(visit: Visit) -> None:
    """Another site's page cannot send a token in a header; it can send a cookie, so a form token is asked for too."""
    if visit.is_token:
        return
    try:
        require_form_token(visit.session, SCRIPT_FORM_ID, request.headers.get(TOKEN_HEADER, ""))
    except StaleForm as stale:
        _log_forgery(visit, SCRIPT_FORM_ID, stale)
        raise StaleForm(
            f"A JSON request needs an API token (Authorization: Bearer …) or a valid {TOKEN_HEADER} header.",
            detail=stale.detail,
        ) from None


async def _read_document() -> dict[str, Any]:
    too_deep = BadInput(
        f"The body has more than {LEVELS_MAX} levels of objects and lists within one another."
    )
    try:
        document = await request.get_json()
    except UnicodeDecodeError as error:
        raise BadInput("The body is not UTF-8.") from error
    except RecursionError as error:
        raise too_deep from error
    if _has_more_levels(document, LEVELS_MAX):
        raise too_deep
    if _has_broken_key(document):
        raise BadInput("A key of the body has half of a character, which cannot be written as UTF-8.")
    if not isinstance(document, dict):
        raise BadInput("The body must be a JSON object.")
    return document


def _has_more_levels(value: object, levels: int) -> bool:
    """Goes down one level after another, and so by itself never deep."""
    layer = [value]
    for _ in range(levels + 1):
        layer = _go_down(layer)
    return bool(layer)


def _has_broken_key(value: object) -> bool:
    """An escape such as `\\ud800` alone. Keys are told in answers, and a value of the kind is its field's matter."""
    layer = [value]
    while layer:
        keys = "".join(key for outer in layer if isinstance(outer, dict) for key in outer)
        if has_forbidden_text(keys.replace("\x00", "")):
            return True
        layer = _go_down(layer)
    return False


def _go_down(layer: Sequence[object]) -> list[object]:
    """What is in the objects and lists of this level."""
    return [
        inner
        for outer in layer
        if isinstance(outer, dict | list)
        for inner in (outer.values() if isinstance(outer, dict) else outer)
    ]

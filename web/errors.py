"""Answers every error in the form that the client asked for, with a request id and never a traceback."""

from typing import Final
from urllib.parse import quote

from quart import Quart, Response, g, request
from werkzeug.exceptions import HTTPException

from kernel.db.connect import DISCONNECTED
from kernel.errors import (
    BadInput,
    LoginRequired,
    NotFound,
    TooLarge,
    TrovatoError,
    Unavailable,
)
from kernel.form.user_forms import LOGIN_PATH
from kernel.log import get_logger
from kernel.maintenance.model import RETRY_AFTER_S
from web.maintenance import Closed
from web.respond import NO_STORE, answer_json, redirect_after_change, show_page, wants_json
from web.visit import Visit

log = get_logger(__name__)

TITLES: Final = {
    400: "This request could not be understood",
    401: "Please log in",
    403: "You may not do this",
    404: "Page not found",
    405: "This cannot be done here",
    409: "Somebody else was faster",
    413: "This is too large",
    422: "Some values need your attention",
    429: "Too many requests",
    500: "Something went wrong on our side",
    503: "The site cannot answer just now",
}
CLOSED_TITLE: Final = "We will be back soon"
# What is away is mostly back after a restart of it.
AWAY_S: Final = 10


class Unexpected(TrovatoError):
    """What a visitor is told about an error that nobody foresaw."""

    code = "unexpected"


def install_error_handlers(app: Quart) -> None:
    app.register_error_handler(TrovatoError, answer_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_unexpected)


async def answer_error(error: TrovatoError) -> Response:
    """The same error as JSON for programs and as a page for people; a stranger who needs a login is sent there."""
    if error.status >= 500 and not isinstance(error, Closed):
        log.error("a request failed", code=error.code, message=error.message, detail=error.detail)
    if isinstance(error, LoginRequired) and not _is_for_program() and request.method == "GET":
        return redirect_after_change(_build_login_path())
    return await _answer(error, error.status)


async def _answer_http_error(error: HTTPException) -> Response:
    """What Quart itself refuses, in our own words."""
    status = error.code or 500
    known: dict[int, TrovatoError] = {
        404: NotFound("There is nothing at this address."),
        405: BadInput(f"{request.method} is not possible here."),
        413: TooLarge("What you sent is larger than this site accepts."),
        400: BadInput(
            "The body is not what its Content-Type says. Malformed JSON?"
            if request.is_json
            else "The request could not be read."
        ),
    }
    response = await _answer(
        known.get(status) or BadInput(error.description or "The request was refused."), status
    )
    if status == 405 and (allowed := error.get_response().headers.get("Allow")):
        response.headers["Allow"] = allowed
    return response


async def _answer_unexpected(error: Exception) -> Response:
    if isinstance(error, DISCONNECTED):
        log.error("PostgreSQL does not answer", error=repr(error))
        away = Unavailable("The database does not answer just now. Please try again in a moment.")
        return await _answer(away, away.status)
    log.error("an unexpected error", exc_info=error)
    return await _answer(Unexpected("This is our mistake, and it has been recorded. Please try again."), 500)


async def _answer(error: TrovatoError, status: int) -> Response:
    visit: Visit | None = g.get("visit")
    request_id = visit.ctx.request_id if visit else g.get("request_id", "")
    headers = {**NO_STORE, **_say_when(error)}
    if _is_for_program() or visit is None:
        data = error.as_data()
        data["request_id"] = request_id
        return answer_json(data, status, headers)
    try:
        # What was read for the page that failed is of no use, and its connection may be broken.
        await visit.release()
        response = await show_page(
            "error.html",
            title=_get_title(error, status),
            status=status,
            code=status,
            message=error.message,
            problems=list(getattr(error, "problems", {}).values()),
            login_path=_build_login_path(),
            is_closed=isinstance(error, Closed),
        )
        response.headers.update(headers)
        return response
    except Exception as second:  # the page of an error must not depend on what caused the error
        log.exception("the error page failed", exc_info=second)
        return Response(
            f"{_get_title(error, status)}. {error.message}\nRequest {request_id}\n",
            status,
            headers,
            content_type="text/plain; charset=utf-8",
        )


def _is_for_program() -> bool:
    """Who shows a token is a program, and has no use for a page."""
    return wants_json() or "Authorization" in request.headers


def _build_login_path() -> str:
    """To the login and back to what was asked for, where that can be asked for again."""
    here = request.full_path.rstrip("?") if request.method == "GET" else ""
    return f"{LOGIN_PATH}?destination={quote(here, safe='/')}" if here else LOGIN_PATH


def _say_when(error: TrovatoError) -> dict[str, str]:
    """When it may be worth another try."""
    if isinstance(error, Closed):
        return {"Retry-After": str(RETRY_AFTER_S)}
    wait_s = AWAY_S if isinstance(error, Unavailable) else getattr(error, "wait_s", None)
    return {} if wait_s is None else {"Retry-After": str(wait_s)}


def _get_title(error: TrovatoError, status: int) -> str:
    return CLOSED_TITLE if isinstance(error, Closed) else TITLES.get(status, TITLES[500])

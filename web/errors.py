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
from web.respond import answer_json, redirect_after_change, show_page, wants_json
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


class Unexpected(TrovatoError):
    """What a visitor is told about an error that nobody foresaw."""

    code = "unexpected"


def install_error_handlers(app: Quart) -> None:
    app.register_error_handler(TrovatoError, answer_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_unexpected)


async def answer_error(error: TrovatoError) -> Response:
    """The same error as JSON for programs and as a page for people; a stranger who needs a login is sent there."""
    if error.status >= 500:
        log.error("a request failed", code=error.code, message=error.message, detail=error.detail)
    # Who shows a token is a program, and has no use for a login page.
    is_page = not wants_json() and "Authorization" not in request.headers
    if isinstance(error, LoginRequired) and is_page and request.method == "GET":
        here = request.full_path.rstrip("?")
        return redirect_after_change(f"{LOGIN_PATH}?destination={quote(here, safe='/')}")
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
    if wants_json() or visit is None:
        data = error.as_data()
        data["request_id"] = request_id
        return answer_json(data, status, {"Cache-Control": "no-store"})
    try:
        # What was read for the page that failed is of no use, and its connection may be broken.
        await visit.release()
        return await show_page(
            "error.html",
            title=TITLES.get(status, TITLES[500]),
            status=status,
            code=status,
            message=error.message,
            problems=list(getattr(error, "problems", {}).values()),
        )
    except Exception as second:  # the page of an error must not depend on what caused the error
        log.exception("the error page failed", exc_info=second)
        return Response(
            f"{TITLES.get(status, TITLES[500])}. {error.message}\nRequest {request_id}\n",
            status,
            content_type="text/plain; charset=utf-8",
        )

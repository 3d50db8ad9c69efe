"""The log of mail: what went out, what waits, what could not be sent."""

from typing import Final, cast, get_args

from quart import Blueprint, Response, request

from kernel.errors import BadInput, Forbidden
from kernel.ids import parse_uuid
from kernel.mail.store import MailStatus, list_messages
from web.mail_view import describe_mail
from web.respond import NO_STORE, show_page
from web.visit import Visit, current_visit

blueprint = Blueprint("admin_mail", __name__)

PATH: Final = "/admin/mail"
PAGE_SIZE: Final = 50
TABS: Final[tuple[tuple[str, str], ...]] = (
    ("", "All"),
    ("waiting", "Waiting"),
    ("sent", "Sent"),
    ("failed", "Not sent"),
    ("late", "Too late"),
    ("kept", "Kept"),
)


@blueprint.get(PATH)
async def show_mail_log() -> Response:
    """For administrators alone: what is kept of a site without a mail server opens other people's accounts."""
    visit = current_visit()
    _require_administrator(visit)
    status, before = request.args.get("status", ""), request.args.get("before", "")
    before_id = parse_uuid(before) if before else None
    if status not in {"", *get_args(MailStatus)} or (before and before_id is None):
        raise BadInput("There is no such part of the log.")
    chosen = cast("MailStatus", status) if status else None
    rows = await list_messages(await visit.conn(), chosen, before_id, PAGE_SIZE + 1)
    config = visit.rt.config
    response = await show_page(
        "admin/mail.html",
        title="Mail",
        rows=[describe_mail(row, site_url=config.public_url) for row in rows[:PAGE_SIZE]],
        next_before=str(rows[PAGE_SIZE - 1].id) if len(rows) > PAGE_SIZE else "",
        is_first=not before,
        shown=status,
        tabs=TABS,
        is_sent=config.mail.server is not None,
        sender=config.mail.sender,
    )
    response.headers.update(NO_STORE)
    return response


def _require_administrator(visit: Visit) -> None:
    """Raises LoginRequired, Forbidden."""
    visit.require_login()
    if not visit.actor.is_admin:
        raise Forbidden("You do not have permission to do this.")

"""Puts a letter into the post: a row of the log and the job that sends it, with whatever else is being written."""

from datetime import datetime, timedelta
from typing import Final

from kernel import clock
from kernel.config import Config
from kernel.errors import BadInput, Unavailable
from kernel.ledger.run import Effects, JobRun
from kernel.log import get_logger
from kernel.mail.letter import Letter, build_message_id, write_message, write_mime
from kernel.mail.smtp import deliver
from kernel.mail.store import count_recent, find_message, insert_message, mark_sent, mark_unsent
from kernel.mail_jobs import SEND_MAIL, SendMail
from kernel.runtime import Runtime

log = get_logger(__name__)

# What anybody may cause to be sent to somebody, of one kind, within an hour.
HOURLY_MAX: Final = 5


async def post_letter(
    effects: Effects, config: Config, letter: Letter, *, good_until: datetime | None = None
) -> bool:
    """It goes out when the transaction stands. False, and nothing, when the recipient was sent enough of the kind.
    Raises BadInput for a recipient or subject that could become another header."""
    message = write_message(letter, site_name=config.site_name, site_url=config.public_url)
    since = clock.now() - timedelta(hours=1)
    if await count_recent(effects.conn, letter.recipient, letter.kind, since) >= HOURLY_MAX:
        log.warning("a mail is not sent, its recipient was sent enough of its kind", mail=letter.kind)
        return False
    effects.follow_up(SEND_MAIL, SendMail())
    await insert_message(effects.conn, effects.follow_ups[-1].id, letter.kind, message, good_until)
    return True


async def run_send_mail(rt: Runtime, run: JobRun) -> None:
    """The work of a `send_mail` job. What the server took and no transaction could note any more is sent again."""
    async with rt.db.acquire() as conn:
        row = await find_message(conn, run.job.id)
    if row is None or row.status in {"sent", "kept", "late"}:
        async with run.finish() as finish:
            finish.result = {"outcome": "done"}
        return
    if row.good_until is not None and row.good_until <= clock.now():
        async with run.finish() as finish:
            await mark_unsent(finish.conn, row.id, "late", row.error)
            finish.result = {"outcome": "done"}
        return
    server, sender = rt.config.mail.server, rt.config.mail.sender
    if server is None:
        async with run.finish() as finish:
            await mark_unsent(finish.conn, row.id, "kept")
            finish.result = {"outcome": "done"}
        return
    try:
        message_id = build_message_id(row.id, sender)
        mime = write_mime(row.message, sender=sender, message_id=message_id, created=row.created)
        await deliver(server, mime)
    except (BadInput, Unavailable) as error:
        # The ledger decides whether there is another try, and keeps the reason for the job; the log shows it too.
        is_last = isinstance(error, BadInput) or run.failures + 1 >= SEND_MAIL.max_attempts
        async with rt.db.acquire() as conn:
            await mark_unsent(conn, row.id, "failed" if is_last else "waiting", error.message)
        raise
    async with run.finish() as finish:
        await mark_sent(finish.conn, row.id)
        finish.result = {"outcome": "done"}

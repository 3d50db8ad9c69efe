"""A forgotten password: a link to the address of the account, with which a new one is chosen."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from kernel import clock
from kernel.ledger.run import Finish, JobRun
from kernel.mail.address import normalise_address
from kernel.mail.post import post_letter
from kernel.mail_jobs import MailPasswordReset
from kernel.runtime import Runtime
from kernel.user.link_token import digest_link_token, make_link_token
from kernel.user.name import normalise_name
from kernel.user.proof.letters import write_reset
from kernel.user.proof.store import (
    Addressee,
    MailedLink,
    delete_links,
    find_addressee,
    find_addressee_by_mail,
    find_addressee_by_name,
    find_link,
    insert_link,
)
from kernel.user.ways_in import end_ways_in_with

RESET_FOR: Final = timedelta(hours=1)


async def run_mail_password_reset(rt: Runtime, run: JobRun) -> None:
    """The work of a `mail_password_reset` job. Its result is the same whoever was asked for."""
    payload: MailPasswordReset = run.payload
    now = clock.now()
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}
        person = await _find(finish, payload.who)
        if person is None or not person.is_active or person.mail is None:
            return
        token = make_link_token()
        digest = digest_link_token(token) or b""
        # To the address of the account, never to the one that was typed and only looks the same.
        letter = write_reset(rt.config, person, person.mail, token)
        if await post_letter(finish, rt.config, letter, good_until=now + RESET_FOR):
            await delete_links(finish.conn, person.id, ["reset"])
            link = MailedLink("reset", user_id=person.id, mail=person.mail)
            await insert_link(finish.conn, digest, link, now + RESET_FOR)


async def find_reset(rt: Runtime, token: str) -> Addressee | None:
    """Whose password the link lets somebody choose; looking does not spend it."""
    digest = digest_link_token(token)
    if digest is None:
        return None
    async with rt.db.acquire() as conn:
        link = await find_link(conn, digest, "reset", clock.now())
        return None if link is None or link.user_id is None else await find_addressee(conn, link.user_id)


async def close_other_ways_in(
    rt: Runtime, finish: Finish, user_id: UUID, *, but_session: str | None = None
) -> None:
    """After a new password: links are worth nothing any more, and sessions end, except the one with that key. Raises
    Unavailable."""
    await delete_links(finish.conn, user_id, ["reset", "address"])
    await end_ways_in_with(rt, finish, [user_id], but_session=but_session)


async def _find(finish: Finish, who: str) -> Addressee | None:
    """An address first: somebody may have taken the address of another person for a name."""
    address = normalise_address(who)
    found = await find_addressee_by_mail(finish.conn, address) if "@" in address else None
    return found or await find_addressee_by_name(finish.conn, normalise_name(who))

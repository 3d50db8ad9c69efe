"""Another address for an account: it counts once a link that was sent there is followed."""

from datetime import timedelta
from typing import Final

from kernel import clock
from kernel.audit.model import Entry
from kernel.ledger.run import JobRun
from kernel.mail.post import post_letter
from kernel.mail_jobs import ChangeMail, ConfirmMail
from kernel.runtime import Runtime
from kernel.user.entry.notices import ADDRESS_CHANGED, tell_person
from kernel.user.link_token import digest_link_token, make_link_token
from kernel.user.model import user_tag
from kernel.user.proof.letters import write_address_notice, write_address_taken, write_new_address
from kernel.user.proof.store import (
    MailedLink,
    delete_links,
    find_addressee,
    find_addressee_by_mail,
    find_link,
    insert_link,
    take_link,
    update_mail,
)

CONFIRM_FOR: Final = timedelta(days=1)
LINK_GONE: Final = (
    "This link has been used or has expired, or it belongs to another account. Ask for a new one."
)


async def run_change_mail(rt: Runtime, run: JobRun) -> None:
    """The work of a `change_mail` job. Whether the address is somebody else's is told to them alone."""
    payload: ChangeMail = run.payload
    now = clock.now()
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}
        person = await find_addressee(finish.conn, run.ctx.actor.id)
        if person is None or not person.is_active:
            return
        finish.audit(Entry("account.mail_ask", "account", str(person.id)))
        owner = await find_addressee_by_mail(finish.conn, payload.mail)
        if owner is not None and owner.id != person.id:
            await post_letter(finish, rt.config, write_address_taken(rt.config, owner.mail or payload.mail))
            return
        token = make_link_token()
        letter = write_new_address(rt.config, payload.mail, token)
        if not await post_letter(finish, rt.config, letter, good_until=now + CONFIRM_FOR):
            return
        await delete_links(finish.conn, person.id, ["address"])
        link = MailedLink("address", user_id=person.id, mail=payload.mail)
        await insert_link(finish.conn, digest_link_token(token) or b"", link, now + CONFIRM_FOR)
        if person.mail is not None:
            await post_letter(finish, rt.config, write_address_notice(rt.config, person, person.mail))


async def find_address_link(rt: Runtime, token: str) -> MailedLink | None:
    """Whose account would get which address; looking does not spend it."""
    digest = digest_link_token(token)
    if digest is None:
        return None
    async with rt.db.acquire() as conn:
        return await find_link(conn, digest, "address", clock.now())


async def run_confirm_mail(rt: Runtime, run: JobRun) -> None:
    """The work of a `confirm_mail` job. Links to the old address that would give a new password end."""
    payload: ConfirmMail = run.payload
    async with run.finish() as finish:
        link = await take_link(finish.conn, bytes.fromhex(payload.link_digest), "address", clock.now())
        if link is None or link.mail is None or link.user_id != run.ctx.actor.id:
            finish.result = {"outcome": "conflict", "message": LINK_GONE}
            return
        person = await find_addressee(finish.conn, link.user_id)
        if not await update_mail(finish.conn, link.user_id, link.mail):
            message = "This address belongs to another account meanwhile."
            finish.result = {"outcome": "conflict", "message": message}
            return
        await delete_links(finish.conn, link.user_id, ["reset"])
        if person is not None and person.mail is not None:
            await tell_person(finish, rt.config, link.user_id, ADDRESS_CHANGED, mail=person.mail)
        finish.drop_tags(user_tag(link.user_id))
        finish.result = {"outcome": "saved", "user_id": str(link.user_id)}

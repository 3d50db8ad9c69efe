"""People who make an account by themselves: their address is proven first, and perhaps an administrator asked."""

from datetime import timedelta
from typing import Final

from kernel import clock
from kernel.form_jobs import RUN_FORM_TAPS
from kernel.ledger.run import Finish, JobRun
from kernel.mail.post import post_letter
from kernel.mail_jobs import ConfirmRegistration, Register
from kernel.runtime import Runtime
from kernel.setting.store import select_setting
from kernel.user.link_token import digest_link_token, make_link_token
from kernel.user.model import user_tag
from kernel.user.proof.letters import (
    write_address_taken,
    write_registration,
    write_somebody_waits,
)
from kernel.user.proof.registration import SETTING, read_mode
from kernel.user.proof.store import (
    MailedLink,
    find_addressee_by_mail,
    find_link,
    insert_link,
    insert_registered,
    list_administrators,
    take_link,
)
from kernel.user.store import lock_administrator
from kernel.user.taken_name import check_taken_name

CONFIRM_FOR: Final = timedelta(days=1)
# Of those who are told that somebody waits.
TOLD_MAX: Final = 10
LINK_GONE: Final = "This link has been used or has expired. Register again."
NAME_GONE: Final = (
    "This username, or one that looks like it, was given to somebody else meanwhile. Register again, with"
    " another one."
)
ADDRESS_GONE: Final = (
    "Another account has got this address meanwhile. Log in, or register with another address."
)


async def run_register(rt: Runtime, run: JobRun) -> None:
    """The work of a `register` job. Its result is the same whether or not the address is taken: its owner is told, and
    nobody else. Before the link was followed there is no account, so neither name nor address is kept from others."""
    payload: Register = run.payload
    now = clock.now()
    async with run.finish() as finish:
        finish.result = {"outcome": "done"}
        if read_mode(await select_setting(finish.conn, SETTING)) == "off":
            return
        if payload.form is not None:
            # Also when the address is taken: what plugins do tells nobody whether it is.
            finish.follow_up(RUN_FORM_TAPS, payload.form)
        owner = await find_addressee_by_mail(finish.conn, payload.mail)
        if owner is not None:
            await post_letter(finish, rt.config, write_address_taken(rt.config, owner.mail or payload.mail))
            return
        token = make_link_token()
        letter = write_registration(rt.config, payload.mail, token)
        if await post_letter(finish, rt.config, letter, good_until=now + CONFIRM_FOR):
            link = MailedLink("register", name=payload.name, mail=payload.mail, pass_hash=payload.pass_hash)
            await insert_link(finish.conn, digest_link_token(token) or b"", link, now + CONFIRM_FOR)


async def find_registration(rt: Runtime, token: str) -> MailedLink | None:
    """What the link would make an account of; looking does not spend it."""
    digest = digest_link_token(token)
    if digest is None:
        return None
    async with rt.db.acquire() as conn:
        return await find_link(conn, digest, "register", clock.now())


async def run_confirm_registration(rt: Runtime, run: JobRun) -> None:
    """The work of a `confirm_registration` job. The setting counts as it is now, and may be closed."""
    payload: ConfirmRegistration = run.payload
    async with run.finish() as finish:
        mode = read_mode(await select_setting(finish.conn, SETTING))
        link = await take_link(finish.conn, bytes.fromhex(payload.link_digest), "register", clock.now())
        if link is None or mode == "off":
            finish.result = {"outcome": "conflict", "message": LINK_GONE}
            return
        # As whoever gives a name: the next one sees this one.
        await lock_administrator(finish.conn)
        name = link.name or ""
        if await check_taken_name(name, finish.conn):
            finish.result = {"outcome": "conflict", "message": NAME_GONE}
            return
        user_id = await insert_registered(
            finish.conn,
            name=name,
            mail=link.mail or "",
            pass_hash=link.pass_hash or "",
            awaits_approval=mode == "approval",
        )
        if user_id is None:
            finish.result = {"outcome": "conflict", "message": ADDRESS_GONE}
            return
        finish.drop_tags(user_tag(user_id))
        finish.result = {"outcome": "saved", "is_waiting": mode == "approval", "user_id": str(user_id)}
        if mode == "approval":
            await _tell_administrators(rt, finish, link.name or "")


async def _tell_administrators(rt: Runtime, finish: Finish, name: str) -> None:
    for administrator in await list_administrators(finish.conn, TOLD_MAX):
        if administrator.mail is not None:
            await post_letter(finish, rt.config, write_somebody_waits(rt.config, administrator.mail, name))

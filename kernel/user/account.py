"""Makes accounts and changes them, in workers and on the command line."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from kernel import clock
from kernel.audit.model import Entry, Origin
from kernel.audit.store import insert_events
from kernel.db.pool import Database
from kernel.errors import Invalid
from kernel.ids import uuid7
from kernel.jobs import RecordLogin, SetPassword
from kernel.ledger.run import JobRun
from kernel.mail.address import check_address, normalise_address
from kernel.names import OPERATOR_ID
from kernel.runtime import Runtime
from kernel.user.entry.notices import LINK_USED, PASSWORD_CHANGED, tell_person
from kernel.user.model import User, user_tag
from kernel.user.name import check_new_name, normalise_name
from kernel.user.password import check_password, hash_password
from kernel.user.proof.reset import close_other_ways_in
from kernel.user.proof.store import take_link
from kernel.user.store import (
    find_pass_hash,
    insert_api_token,
    insert_user,
    lock_administrator,
    replace_pass_hash,
    update_login_time,
)
from kernel.user.taken_name import check_taken_name
from kernel.user.token import build_api_token, digest_api_token

# In characters.
LABEL_MAX: Final = 100
LINK_GONE: Final = "This link has been used or has expired. Ask for a new one."


async def create_user(
    db: Database, *, name: str, password: str | None, mail: str | None = None, is_admin: bool = False
) -> User:
    """Without a password the user logs in by a link first. Raises Invalid with every problem at once."""
    name = normalise_name(name)
    problems = {"name": check_new_name(name), "mail": check_mail(mail) if mail is not None else ""}
    problems["password"] = check_password(password) if password is not None else ""
    problems = {field: problem for field, problem in problems.items() if problem}
    if problems:
        raise Invalid(problems)
    pass_hash = await hash_password(password) if password is not None else None
    async with db.transaction() as tx:
        await lock_administrator(tx.conn)
        problem = await check_taken_name(name, tx.conn)
        if problem:
            raise Invalid({"name": problem})
        address = normalise_address(mail) if mail is not None else None
        user = await insert_user(tx.conn, name=name, pass_hash=pass_hash, mail=address, is_admin=is_admin)
    if user is None:
        raise Invalid({"mail": "Another account has this address."})
    return user


async def ensure_administrator(db: Database) -> User:
    """The first administrator who may log in; made now, without a password, when there is none."""
    async with db.transaction() as tx:
        user = await lock_administrator(tx.conn)
        number = 1
        while user is None:
            name = "admin" if number == 1 else f"admin {number}"
            user = await insert_user(tx.conn, name=name, pass_hash=None, mail=None, is_admin=True)
            number += 1
            if user is not None:
                made = Entry("account.create", "account", str(user.id), name, {"administrator": True})
                await insert_events(tx.conn, Origin(OPERATOR_ID), [made])
    return user


async def create_api_token(
    db: Database, *, user_id: UUID, label: str, expires: datetime | None, scope: Collection[str] | None = None
) -> str:
    """The token, which is shown this once: only its digest is kept. Raises Invalid."""
    label = label.strip()
    problem = check_label(label)
    if problem:
        raise Invalid({"label": problem})
    token = build_api_token()
    async with db.transaction() as tx:
        await insert_api_token(
            tx.conn,
            token_id=uuid7(),
            user_id=user_id,
            digest=digest_api_token(token),
            label=label,
            expires=expires,
            scope=scope,
        )
    return token


def check_label(label: str) -> str:
    """What is wrong with the label of a token, as a sentence; "" when nothing is."""
    if not label or len(label) > LABEL_MAX or not label.isprintable():
        return f"Say in 1 to {LABEL_MAX} characters what the token is for."
    return ""


def check_new_password(password: str, again: str) -> dict[str, str]:
    """What is wrong with a new password and its repetition, by the name of the form's field."""
    problem = check_password(password)
    if problem:
        return {"password": problem}
    if password != again:
        return {"again": "The two passwords differ. Type the new password twice."}
    return {}


async def run_record_login(rt: Runtime, run: JobRun) -> None:
    """The work of a `record_login` job."""
    payload: RecordLogin = run.payload
    async with run.finish() as finish:
        await update_login_time(finish.conn, payload.user_id, payload.at)
        if payload.is_by_link:
            await tell_person(finish, rt.config, payload.user_id, LINK_USED)
        finish.result = {"outcome": "saved"}


async def run_set_password(rt: Runtime, run: JobRun) -> None:
    """The work of a `set_password` job."""
    payload: SetPassword = run.payload
    async with run.finish() as finish:
        replaces = payload.replaces
        if payload.link_digest is None and run.ctx.actor.id != payload.user_id:
            finish.result = {"outcome": "forbidden", "message": "This is somebody else's password."}
            return
        if payload.link_digest is not None:
            link = await take_link(finish.conn, bytes.fromhex(payload.link_digest), "reset", clock.now())
            if link is None or link.user_id != payload.user_id:
                finish.result = {"outcome": "conflict", "message": LINK_GONE}
                return
            replaces = await find_pass_hash(finish.conn, payload.user_id)
        saved = await replace_pass_hash(
            finish.conn, payload.user_id, payload.pass_hash, replaces, is_rehash=payload.is_rehash
        )
        if saved and not payload.is_rehash:
            await tell_person(finish, rt.config, payload.user_id, PASSWORD_CHANGED)
            await close_other_ways_in(rt, finish, payload.user_id, but_session=payload.keeps_session)
        finish.drop_tags(user_tag(payload.user_id))
        message = "The account is gone or blocked, or its password was changed meanwhile."
        finish.result = {"outcome": "saved"} if saved else {"outcome": "conflict", "message": message}


def check_mail(mail: str) -> str:
    """What is wrong with an address as it was typed, as a sentence; "" when nothing is."""
    return check_address(normalise_address(mail))

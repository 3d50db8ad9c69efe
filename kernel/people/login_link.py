"""Tells the audit log, before it is made, that somebody makes a one-time login link for somebody."""

from kernel.ledger.run import JobRun
from kernel.login_jobs import NoteLoginLink
from kernel.people.rights import OWN_LINK, find_opening_obstacle
from kernel.people.store import find_person
from kernel.runtime import Runtime
from kernel.user.load import load_again


async def run_note_login_link(rt: Runtime, run: JobRun) -> None:
    """The work of a `note_login_link` job."""
    payload: NoteLoginLink = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        person = await find_person(finish.conn, payload.user_id)
        if person is None:
            finish.result = {"outcome": "conflict", "message": "This account is gone."}
            return
        obstacle = OWN_LINK if person.id == actor.id else find_opening_obstacle(actor, person)
        if not obstacle and not person.user.is_active:
            obstacle = f"{person.name} is blocked, so that no link would let them in."
        finish.result = {"outcome": "forbidden", "message": obstacle} if obstacle else {"outcome": "saved"}

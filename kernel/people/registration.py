"""Who may register, and who of those that did is let in."""

from kernel.ledger.run import JobRun
from kernel.mail.post import post_letter
from kernel.mail_jobs import DecideRegistration, SetRegistration
from kernel.people.permission import ADMINISTER_USERS
from kernel.people.rights import find_obstacle
from kernel.people.store import find_person, lock_people
from kernel.runtime import Runtime
from kernel.setting.store import upsert_setting
from kernel.setting.tag import setting_tag
from kernel.user.load import load_again
from kernel.user.model import user_tag
from kernel.user.proof.letters import write_let_in
from kernel.user.proof.registration import SETTING
from kernel.user.proof.store import let_in, turn_away


async def run_set_registration(rt: Runtime, run: JobRun) -> None:
    """The work of a `set_registration` job."""
    payload: SetRegistration = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        if not actor.may(ADMINISTER_USERS):
            finish.result = {"outcome": "forbidden", "message": "You may not change who can register."}
            return
        await upsert_setting(finish.conn, SETTING, payload.mode)
        finish.drop_tags(setting_tag(SETTING))
        finish.result = {"outcome": "saved"}


async def run_decide_registration(rt: Runtime, run: JobRun) -> None:
    """The work of a `decide_registration` job."""
    payload: DecideRegistration = run.payload
    actor = await load_again(rt, run.ctx.actor)
    async with run.finish() as finish:
        if not actor.may(ADMINISTER_USERS):
            finish.result = {"outcome": "forbidden", "message": "You may not decide who is let in."}
            return
        await lock_people(finish.conn)
        waiting = await find_person(finish.conn, payload.user_id)
        if waiting is not None and (obstacle := find_obstacle(actor, waiting)):
            finish.result = {"outcome": "forbidden", "message": obstacle}
            return
        decide = let_in if payload.approves else turn_away
        person = await decide(finish.conn, payload.user_id)
        if person is None:
            finish.result = {"outcome": "conflict", "message": "This person does not wait any more."}
            return
        finish.drop_tags(user_tag(person.id))
        finish.result = {"outcome": "saved", "name": person.name}
        if payload.approves and person.mail is not None:
            await post_letter(finish, rt.config, write_let_in(rt.config, person, person.mail))

"""Whether strangers may register, as an administrator sets it."""

from typing import Final, get_args

from kernel.ledger.run import JobRun
from kernel.mail_jobs import RegistrationMode, SetRegistration
from kernel.runtime import Runtime
from kernel.setting.store import select_setting, upsert_setting
from kernel.setting.tag import setting_tag
from kernel.user.load import load_actor

SETTING: Final = "registration"
MODES: Final[tuple[RegistrationMode, ...]] = get_args(RegistrationMode)


async def load_registration_mode(rt: Runtime) -> RegistrationMode:
    """Nobody may as long as nobody has said otherwise."""

    async def load() -> RegistrationMode:
        async with rt.db.acquire() as conn:
            return read_mode(await select_setting(conn, SETTING))

    return await rt.cache.remember(f"setting:{SETTING}", [setting_tag(SETTING)], rt.config.cache_ttl_s, load)


def read_mode(value: object) -> RegistrationMode:
    """ "off" for whatever it cannot be."""
    return next((mode for mode in MODES if mode == value), "off")


async def run_set_registration(rt: Runtime, run: JobRun) -> None:
    """The work of a `set_registration` job."""
    payload: SetRegistration = run.payload
    actor = await load_actor(rt, run.ctx.actor.id)
    async with run.finish() as finish:
        if not actor.is_admin:
            finish.result = {"outcome": "forbidden", "message": "You may not change who can register."}
            return
        await upsert_setting(finish.conn, SETTING, payload.mode)
        finish.drop_tags(setting_tag(SETTING))
        finish.result = {"outcome": "saved"}

"""Whether strangers may register, as somebody has set it."""

from typing import Final, get_args

from kernel.mail_jobs import RegistrationMode
from kernel.runtime import Runtime
from kernel.setting.load import load_setting

SETTING: Final = "registration"
MODES: Final[tuple[RegistrationMode, ...]] = get_args(RegistrationMode)


async def load_registration_mode(rt: Runtime) -> RegistrationMode:
    """Nobody may as long as nobody has said otherwise."""
    return await load_setting(rt, SETTING, read_mode)


def read_mode(value: object) -> RegistrationMode:
    """ "off" for whatever it cannot be."""
    return next((mode for mode in MODES if mode == value), "off")

"""The limits that hold now, in this process."""

from kernel.rate_limit.model import SETTING, Limits, read_limits
from kernel.runtime import Runtime
from kernel.setting.load import load_setting


async def load_limits(rt: Runtime) -> Limits:
    return await load_setting(rt, SETTING, read_limits)

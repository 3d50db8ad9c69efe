"""Whether the site is closed now, as this process knows."""

from kernel.maintenance.model import SETTING, Maintenance, read_maintenance
from kernel.runtime import Runtime
from kernel.setting.load import load_setting


async def load_maintenance(rt: Runtime) -> Maintenance:
    return await load_setting(rt, SETTING, read_maintenance)

"""A worker's kernel without plugins, with a lock that runs out soon."""

from dataclasses import replace

import pytest

from kernel.app.open import open_kernel
from kernel.config import CronConfig


@pytest.fixture
def cron_config(config):
    return replace(config, lease_s=30.0, cron=CronConfig(lock_ttl_s=1.0, heartbeat_s=0.2))


@pytest.fixture
async def rt(cron_config, renderer):
    async with open_kernel(cron_config, role="worker", with_plugins=False, renderer=renderer) as opened:
        yield opened

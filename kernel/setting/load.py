"""Reads a setting, which each process keeps until it is changed."""

from collections.abc import Callable
from typing import Any, TypeVar

from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.setting.store import select_setting
from kernel.setting.tag import setting_tag

T = TypeVar("T")

log = get_logger(__name__)


async def load_setting(rt: Runtime, name: str, read: Callable[[Any], T]) -> T:
    """What `read` makes of the stored JSON, or of None where nobody has set it. It raises ValueError for what it does
    not understand, and is then asked for what it makes of None. Whoever changes it drops its tag after the commit."""

    async def load() -> T:
        async with rt.db.acquire() as conn:
            stored = await select_setting(conn, name)
        try:
            return read(stored)
        except ValueError as error:
            log.warning("a setting cannot be read, its default is used", setting=name, error=str(error))
            return read(None)

    return await rt.cache.remember(f"setting:{name}", [setting_tag(name)], rt.config.cache_ttl_s, load)

"""Changes the tables of a plugin around the moment at which another version of it comes into effect.

Before that moment only what the version that runs can live with; the rest follows in a job of its own, which that
moment submits. So nothing fails while an upgrade is under way, and one that is refused leaves nothing.
"""

from kernel.config import Config
from kernel.db.pool import Database
from kernel.errors import ConfigError, Conflict, TrovatoError, Unavailable
from kernel.lifecycle.asked import Asked
from kernel.lifecycle.owner import open_owner
from kernel.lifecycle.plan import RefusedError
from kernel.log import get_logger
from kernel.plugin.model import Manifest
from kernel.plugin_data.difference import Difference, compare_tables
from kernel.plugin_data.store import apply_tables, read_tables, take_back_changes

log = get_logger(__name__)


async def widen_tables(config: Config, db: Database, manifest: Manifest) -> Difference:
    """What was made, and what is left for `run_settle`. The owner is asked for only where there is something to change.
    Raises RefusedError, Conflict."""
    name, tables = manifest.name, manifest.may.tables
    async with db.acquire() as conn:
        difference = compare_tables(await read_tables(conn, name), tables)
    if not difference.changes and not difference.later and not difference.refused:
        return difference
    try:
        async with open_owner(config) as conn:
            return await apply_tables(conn, name, tables, beside_old=True)
    except ConfigError as error:
        raise RefusedError(*error.problems) from None


async def take_back_tables(config: Config, plugin: str, difference: Difference) -> None:
    """Of a change that is refused. What cannot be taken back is in nobody's way."""
    if not difference.changes:
        return
    try:
        async with open_owner(config) as conn:
            await take_back_changes(conn, plugin, difference.changes)
    except TrovatoError as error:
        log.warning("tables of a refused change stay", plugin=plugin, error=error.message)


async def run_settle(asked: Asked) -> None:
    """Make the tables what the installed version declares. Raises RefusedError where rows came meanwhile that do not
    allow it; the version runs without it then, and its next change tries again."""
    row = asked.find_installed()
    if row is not None:
        manifest = asked.read_manifest(row.manifest)
        try:
            async with open_owner(asked.rt.config) as conn:
                await apply_tables(conn, row.name, manifest.may.tables)
        except ConfigError as error:
            log.warning("tables of a plugin are not as declared", plugin=row.name, problems=error.problems)
            raise RefusedError(*error.problems) from None
        except Conflict as busy:
            # Nobody waits for this, so it can wait for others.
            raise Unavailable(busy.message) from busy
    async with asked.run.finish() as finish:
        finish.result = {"outcome": "done", "path": f"/admin/plugins/{asked.name}", "title": asked.name}

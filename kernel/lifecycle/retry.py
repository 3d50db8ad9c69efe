"""Calls taps of a plugin again that were stopped."""

from kernel.lifecycle.asked import Asked
from kernel.names import PAGES_TAG, PLUGINS_TAG
from kernel.plugin.store import advance_generation, delete_stops, touch_plugin


async def run_retry(asked: Asked) -> None:
    """Raises RefusedError."""
    name = asked.get_installed().name
    async with asked.run.finish() as finish:
        await delete_stops(finish.conn, name)
        await touch_plugin(finish.conn, name)
        await advance_generation(finish.conn)
        finish.drop_tags(PLUGINS_TAG, PAGES_TAG)
        finish.result = {"outcome": "done", "path": f"/admin/plugins/{name}", "title": name, "notes": []}
    await asked.spread_news()

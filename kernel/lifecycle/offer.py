"""Takes in what somebody uploaded, for somebody to approve, or throws it away."""

from kernel.errors import PluginError
from kernel.lifecycle.asked import Asked
from kernel.lifecycle.plan import RefusedError
from kernel.plugin.store import delete_offer, upsert_offer


async def run_offer(asked: Asked) -> None:
    """Compile what was uploaded, and see that it is what its manifest says. Nothing of it is asked for anything. Raises
    RefusedError."""
    manifest = asked.read_manifest(asked.change.manifest)
    try:
        await asked.follower.loader.check(manifest, asked.change.sha256)
    except PluginError as failure:
        raise RefusedError(failure.message) from failure
    async with asked.run.finish() as finish:
        await upsert_offer(
            finish.conn,
            name=manifest.name,
            version=manifest.version,
            sha256=asked.change.sha256,
            manifest=asked.change.manifest,
        )
        finish.result = {"outcome": "done", "path": f"/admin/plugins/{manifest.name}", "title": manifest.name}


async def run_discard(asked: Asked) -> None:
    """What the folder of plugins holds is on offer again. Cron removes the artefact. Raises RefusedError."""
    async with asked.run.finish() as finish:
        if not await delete_offer(finish.conn, asked.name):
            raise RefusedError(f"Nothing was uploaded under the name '{asked.name}'.")
        finish.result = {
            "outcome": "done",
            "path": f"/admin/plugins/{asked.name}" if asked.find_installed() else "/admin/plugins",
            "title": asked.name,
            "enabled": asked.name in asked.rt.plugins.names,
            "notes": [],
        }

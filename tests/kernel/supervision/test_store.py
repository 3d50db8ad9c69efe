"""Failures of plugins are written down, and their recordings do not fill the disk."""

from random import Random

from kernel.jobs import PluginFailures
from kernel.supervision.store import delete_old_recordings, insert_failures, list_failures


def make_failure(plugin, message, size):
    """Its recording is stored with about that many bytes, since chance cannot be compressed."""
    text = Random(message).randbytes(size // 2).hex()
    return PluginFailures(
        plugin,
        "tap_view",
        "abort",
        message,
        "",
        "0" * 64,
        "",
        calls=1,
        failures=1,
        recording={"payload": text},
    )


async def test_only_the_latest_recordings_are_kept_and_all_that_is_told_of_others(conn):
    async def list_recorded(plugin):
        return [
            failure.message for failure in await list_failures(conn, plugin, 100) if failure.has_recording
        ]

    messages = [
        *(f"old {number}" for number in range(2)),
        *(f"loud {number}" for number in range(5)),
        "quiet 0",
    ]
    await insert_failures(conn, [make_failure(message.split()[0], message, 4_000) for message in messages])
    for age, message in enumerate(reversed(messages)):
        await conn.execute(
            "UPDATE plugin_failure SET at = at - make_interval(mins => $1) WHERE message = $2", age, message
        )
    await delete_old_recordings(conn, 3, 100_000)
    assert await list_recorded("loud") == ["loud 4", "loud 3", "loud 2"]
    assert (await list_recorded("old"), await list_recorded("quiet")) == (["old 1", "old 0"], ["quiet 0"])
    # Five of them fit: the oldest goes, whose ever it is.
    await delete_old_recordings(conn, 3, 22_000)
    assert await list_recorded("old") == ["old 1"]
    assert len(await list_recorded("loud")) == 3
    assert len(await list_failures(conn, "loud", 100)) == 5

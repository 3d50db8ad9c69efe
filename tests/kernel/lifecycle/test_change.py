"""Plugins come and go while the site runs: told, checked, and for every process at once."""

import asyncio
import hashlib
import os
import time
from dataclasses import replace

import pytest

from kernel.app.open import open_kernel
from kernel.context import Actor, Context
from kernel.errors import BadInput
from kernel.ledger.model import JobStatus
from kernel.lifecycle.ask import put_into_effect
from kernel.plugin.artefacts import UNUSED_S, Artefacts
from kernel.plugin.store import (
    advance_generation,
    deflate_artefact,
    delete_unused_artefacts,
    insert_artefact,
    select_generation,
)

HEARD = 'SELECT string_agg(name, \', \' ORDER BY id) FROM "plugin_guest"."event"'
FAILURE = """
    INSERT INTO plugin_failure (id, plugin, tap, reason, message, sha256, calls, failures)
    VALUES (gen_random_uuid(), 'guest', 'tap_page', 'tap-error', 'no page today', '', 1, 1)
"""


async def follow(rt, generation):
    """Until the process has the set of that generation; a second is the most that it may take."""
    async with asyncio.timeout(1):
        while rt.plugins.generation < generation:
            await asyncio.sleep(0.01)


async def read_generation(site):
    async with site.worker.db.acquire() as conn:
        return await select_generation(conn)


def set_version(folder, version, *more):
    manifest = folder / "guest" / "guest.info.toml"
    manifest.write_text(manifest.read_text().replace('"1.0.0"', f'"{version}"') + "".join(more))


@pytest.mark.story("3.5")
async def test_an_installed_plugin_is_there_in_every_process_and_heard_of_it(site, keeper):
    assert (await keeper.fetch("/guest")).status_code == 404
    result = await keeper.install()
    assert (result["outcome"], result["enabled"], result["notes"]) == ("done", True, [])
    for rt in (site.web, site.worker):
        await follow(rt, await read_generation(site))
        assert rt.plugins.names == ["guest"]
    page = await keeper.fetch("/guest")
    assert "install, enable" in page.text
    assert await keeper.fetchval("SELECT plugin FROM item_type WHERE type = 'guest_note'") == "guest"


async def test_disabled_it_is_gone_and_enabled_it_is_back_with_its_data(site, keeper):
    await keeper.install()
    result = await keeper.change("disable")
    assert (result["outcome"], result["enabled"]) == ("done", False)
    await follow(site.web, await read_generation(site))
    assert (await keeper.fetch("/guest")).status_code == 404
    await keeper.change("enable")
    await follow(site.web, await read_generation(site))
    assert "install, enable, disable, enable" in (await keeper.fetch("/guest")).text


async def test_an_upgrade_changes_the_tables_and_tells_which_version_was_there(site, keeper, folder):
    await keeper.install()
    set_version(folder, "1.1.0", 'at = "time"\n')
    result = await keeper.install()
    assert result["outcome"] == "done"
    assert await keeper.fetchval(HEARD) == "install, enable, upgrade from 1.0.0"
    assert await keeper.fetchval("SELECT version FROM system WHERE name = 'guest'") == "1.1.0"
    assert await keeper.fetchval('SELECT count(at) FROM "plugin_guest"."event"') == 0


@pytest.mark.parametrize("deletes", [False, True])
async def test_removed_it_leaves_its_items_and_only_what_was_asked_for_of_its_data(site, keeper, deletes):
    await keeper.install()
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO variable VALUES ('guest_colour', '\"red\"'), ('guestbook', '1')")
        await conn.execute(FAILURE)
    result = await keeper.change("uninstall", deletes_data=deletes)
    assert result["outcome"] == "done"
    assert await keeper.fetchval("SELECT count(*) FROM system") == 0
    types = "SELECT count(*) FROM item_type WHERE type = 'guest_note' AND plugin IS NULL"
    assert await keeper.fetchval(types) == 1
    names = await keeper.fetchval("SELECT array_agg(name ORDER BY name) FROM variable")
    assert names == (["guestbook"] if deletes else ["guest_colour", "guestbook"])
    async with asyncio.timeout(5):
        while await keeper.fetchval("SELECT count(*) FROM job WHERE status IN ('queued', 'running')"):
            await asyncio.sleep(0.02)
    schemas = await keeper.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'plugin_guest'")
    assert schemas == (0 if deletes else 1)
    assert await keeper.fetchval("SELECT count(*) FROM plugin_failure") == schemas
    if not deletes:
        assert await keeper.fetchval(HEARD) == "install, enable, disable, uninstall, keeps data"


async def test_a_plugin_that_refuses_to_be_installed_is_not(site, keeper):
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO variable VALUES ('guest_fails_at', '\"enable\"')")
    before = await read_generation(site)
    result = await keeper.install()
    assert result["outcome"] == "invalid"
    assert result["message"] == "Plugin 'guest', tap_enable: RuntimeError: no enable today"
    assert await keeper.fetchval("SELECT count(*) FROM system") == 0
    assert await read_generation(site) == before
    assert site.worker.plugins.names == []
    # Nothing of what was made for it stays either.
    assert await keeper.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'plugin_guest'") == 0
    assert await keeper.fetchval("SELECT count(*) FROM item_type WHERE type = 'guest_note'") == 0


async def test_one_that_goes_cannot_keep_that_from_happening(site, keeper):
    await keeper.install()
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO variable VALUES ('guest_fails_at', '\"disable\"')")
    result = await keeper.change("disable")
    assert (result["outcome"], result["enabled"]) == ("done", False)
    assert result["notes"] == ["Plugin 'guest', tap_disable: RuntimeError: no disable today"]


async def test_who_may_not_administer_plugins_changes_nothing(site, keeper):
    user = await site.make_user("bob")
    keeper.ctx = Context(actor=Actor(user.id, "bob"))
    assert (await keeper.install())["outcome"] == "forbidden"
    assert await keeper.fetchval("SELECT count(*) FROM system") == 0


@pytest.mark.story("3.6")
async def test_what_it_needs_has_to_be_there(keeper, folder):
    set_dependency(folder, "guest", "host")
    result = await keeper.install()
    assert result["message"] == "Plugin 'guest' requires 'host' which is not enabled"
    assert await keeper.fetchval("SELECT count(*) FROM system") == 0


def set_dependency(folder, name, needed):
    manifest = folder / name / f"{name}.info.toml"
    lines = [line for line in manifest.read_text().splitlines() if not line.startswith("dependencies")]
    lines.insert(3, f'dependencies = ["{needed}"]')
    manifest.write_text("\n".join(lines))


async def test_an_artefact_that_is_none_is_refused_with_the_reason(keeper, folder):
    (folder / "guest" / "guest.wasm").write_bytes(b"\0asm and nothing else")
    result = await keeper.install()
    assert result["outcome"] == "invalid"
    assert "cannot be compiled" in result["message"]


async def test_another_machine_has_the_plugin_from_the_database(site, keeper, folder, tmp_path, renderer):
    await keeper.install()
    elsewhere = replace(site.config, plugins_dir=tmp_path / "empty", var=tmp_path / "var")
    async with open_kernel(elsewhere, role="web", renderer=renderer) as rt:
        assert rt.plugins.names == ["guest"]
        assert rt.plugins.failures == ()


async def test_asking_twice_for_the_same_changes_nothing(site, keeper):
    await keeper.install()
    before = await read_generation(site)
    assert (await keeper.install())["outcome"] == "done"
    assert (await keeper.change("enable"))["outcome"] == "done"
    assert await read_generation(site) == before
    assert await keeper.fetchval(HEARD) == "install, enable"
    assert await keeper.fetchval("SELECT count(*) FROM job WHERE status <> $1", JobStatus.DONE) == 0


async def test_what_is_in_effect_is_said_only_of_what_runs(site, keeper, folder):
    ctx = keeper.ctx
    assert (await put_into_effect(site.worker, ctx, "guest")).is_enabled
    # Installed as it stands in the folder, and left without what it needs.
    set_dependency(folder, "guest", "host")
    async with site.worker.db.acquire() as conn:
        await conn.execute(
            "UPDATE system SET manifest = $1", (folder / "guest" / "guest.info.toml").read_text()
        )
        await advance_generation(conn)
    with pytest.raises(BadInput, match="'guest' is installed and does not run"):
        await put_into_effect(site.worker, ctx, "guest")


async def test_copies_of_artefacts_go_from_a_machine_when_nothing_is_made_of_them(database, tmp_path):
    """What another process is writing, or has just looked for, stays."""
    used, unused = (b"used", b"unused")
    names = [hashlib.sha256(data).hexdigest() for data in (used, unused)]
    async with database.acquire() as conn:
        await conn.execute("INSERT INTO system (name, version, sha256) VALUES ('guest', '1', $1)", names[0])
        for name, data in zip(names, (used, unused), strict=True):
            await insert_artefact(conn, name, deflate_artefact(data))
    folder = tmp_path / "artefacts"
    artefacts = Artefacts(database, tmp_path, folder)
    await artefacts.forget_unused()
    copies = [await artefacts.find("guest", name) for name in names]
    torn, young = folder / f"{names[1]}.wasm.x1", folder / f"{names[1]}.wasm.x2"
    for path in (torn, young):
        path.write_bytes(b"to")
    long_ago = time.time() - UNUSED_S - 60
    for path in (*copies, torn):
        os.utime(path, (long_ago, long_ago))
    await artefacts.find("guest", names[1])
    await artefacts.forget_unused()
    assert sorted(folder.iterdir()) == sorted([*copies, young])
    os.utime(copies[1], (long_ago, long_ago))
    await artefacts.forget_unused()
    assert sorted(folder.iterdir()) == sorted([copies[0], young])


async def test_an_artefact_goes_when_nothing_is_made_of_it_any_more(site, keeper):
    await keeper.install()
    async with site.worker.db.acquire() as conn:
        await insert_artefact(conn, "0" * 64, b"of an earlier version")
        assert await delete_unused_artefacts(conn) == 0
        await conn.execute("UPDATE plugin_artefact SET created = now() - interval '25 h'")
        assert await delete_unused_artefacts(conn) == 1
    assert await keeper.fetchval("SELECT a.sha256 = s.sha256 FROM plugin_artefact a, system s")

"""`trovato plugin install`, `upgrade` and `uninstall`: what they say before they do it."""

import shutil
from dataclasses import replace

import pytest

from tests.fixtures.database import ROOT

SOURCE = ROOT / "tests" / "wasm" / "guest"


@pytest.fixture
def config(config, tmp_path, fixture_wasm, monkeypatch):
    """With `guest` in the folder of plugins, and native code that the suite has."""
    place = tmp_path / "plugins" / "guest"
    place.mkdir(parents=True)
    shutil.copy(SOURCE / "guest.info.toml", place)
    shutil.copy(fixture_wasm("guest"), place)
    monkeypatch.setenv("TROVATO_PLUGINS", str(place.parent))
    return replace(config, var=ROOT / "var" / "test", plugins_dir=place.parent)


async def test_what_is_not_installed_is_not_upgraded_and_what_goes_is_counted_before(trovato, config):
    ran = await trovato("plugin", "upgrade", "guest", "--yes")
    assert ran.status == 1
    assert "'guest' is not installed. Install it: trovato plugin install guest" in ran.err
    ran = await trovato("plugin", "install", "guest", "--yes")
    assert (ran.status, ran.out) == (0, "Installed: guest 1.0.0\n")
    place = config.plugins_dir / "guest"
    (place / "guest.py").write_text("# Other sources than it was made of.")
    (place / "guest.build").write_text("{}")
    ran = await trovato("plugin", "upgrade", "guest", "--yes")
    assert (
        ran.status,
        "was changed since it was built. Build it: trovato plugin build guest" in ran.err,
    ) == (1, True)
    ran = await trovato("plugin", "retry", "guest")
    assert (ran.status, ran.out) == (0, "Tried again from now on: guest\n")
    ran = await trovato("plugin", "uninstall", "guest", "--delete-data", given=b"n\n")
    assert ran.status == 1
    assert "its settings and its tables event (2 rows) are deleted." in ran.out

"""The tests that the plugins bring themselves, run by the command that their authors have."""

import os
import subprocess
import sys

import pytest

from tests.fixtures.database import ROOT

NAMES = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/tests"))


def test_there_are_some():
    assert {"audit_trail", "reading_time", "related_items", "webhooks"} <= set(NAMES)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["check", "test"])
def test_a_plugin_is_in_order_and_passes_them(name, command):
    ran = subprocess.run(
        [sys.executable, "-m", "kernel", "plugin", command, f"plugins/{name}"],
        cwd=ROOT,
        env={**os.environ, "TROVATO_PLUGINS": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert {"check": "are in order", "test": " passed in "}[command] in ran.stdout

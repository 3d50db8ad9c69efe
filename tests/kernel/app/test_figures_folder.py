"""The folder of shared numbers is new for every parent, and those of killed parents go."""

import subprocess
import sys

from kernel.app.figures_folder import FiguresFolder
from tests.checks.sources import ROOT

OPEN_AND_DIE = """
import os, signal, sys
from pathlib import Path
from kernel.app.figures_folder import FiguresFolder
print(FiguresFolder.open(Path(sys.argv[1])).path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_each_parent_has_its_own_empty_folder(tmp_path):
    first, second = FiguresFolder.open(tmp_path), FiguresFolder.open(tmp_path)
    assert first.path != second.path
    assert list(second.path.iterdir()) == []
    (first.path / "counter_1.db").touch()
    first.close()
    assert not first.path.exists()
    assert second.path.exists()
    second.close()


def test_what_a_killed_parent_left_is_removed_and_what_another_uses_is_not(tmp_path):
    living = FiguresFolder.open(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", OPEN_AND_DIE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -9
    left = tmp_path / "metrics" / ended.stdout.strip().rpartition("/")[2]
    assert left.is_dir()
    other = FiguresFolder.open(tmp_path)
    assert not left.exists()
    assert living.path.exists()
    other.close()
    living.close()

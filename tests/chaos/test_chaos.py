"""The short form of `make chaos`: the site outlives its faults, and the judge sees a build without a safeguard."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Two thirds of it are the start of a site, quiet and the judge, on a machine that is busy with other tests.
pytestmark = [pytest.mark.adversity, pytest.mark.timeout(240)]


def run_chaos(*arguments):
    """The exit status and what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--short", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
    )
    return done.returncode, done.stdout + done.stderr


def read_count(printed, name):
    return int(re.search(rf"^ +(\d+)  {re.escape(name)}$", printed, re.MULTILINE)[1])


@pytest.mark.story("4.4")
def test_nothing_that_was_accepted_is_lost_or_done_twice():
    status, printed = run_chaos("--seed", "4")
    assert status == 0, printed
    assert "violations: none" in printed
    assert read_count(printed, "accepted saves") >= 100
    assert read_count(printed, "worker kills") >= 3
    assert read_count(printed, "takeovers from a paused worker") >= 1


def test_a_build_without_its_fence_is_found_out():
    status, printed = run_chaos("--seed", "4", "--seconds", "16", "--without-fence")
    assert status == 1, printed
    assert "Traceback" not in printed
    assert read_count(printed, "takeovers from a paused worker") >= 1
    assert re.search(
        r"(refused and done|two answers|deleted and still there|happened twice)$", printed, re.MULTILINE
    )

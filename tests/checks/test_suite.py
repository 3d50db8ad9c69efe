"""The suite's own rules catch what they are there for: leftovers, warnings, and stories that nobody proved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each starts another pytest.
pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).resolve().parents[2]

BAD_TESTS = """
import asyncio
import threading
import warnings

STOP = threading.Event()


async def test_task():
    test_task.kept = asyncio.create_task(asyncio.sleep(60), name="forgotten")


def test_thread():
    threading.Thread(target=STOP.wait, name="forgotten", daemon=True).start()


async def test_error_in_loop():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)


def test_warning():
    warnings.warn("old", DeprecationWarning)


async def test_clean():
    await asyncio.create_task(asyncio.sleep(0))
"""

SKIPPED_STORY = """
import pytest


@pytest.mark.story("1.1")
def test_story():
    pytest.skip("not here")


def test_other():
    pass
"""


def run_suite(folder, content, **env):
    """The exit status and output of pytest with this suite's rules over one file of tests."""
    path = folder / "test_sample.py"
    path.write_text(content)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:randomly", "-rA", str(path)],
        check=False,
        cwd=ROOT,
        env=plain | env,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


def test_what_a_test_leaves_behind_fails_it(tmp_path):
    status, output = run_suite(tmp_path, BAD_TESTS)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "the test left tasks running: <coroutine object sleep" in output
    assert "the test left the thread 'forgotten' running" in output
    assert "an error reached the event loop and nobody else" in output
    assert "FAILED" in output
    assert "DeprecationWarning: old" in output
    # The first three fail when they are over, so their bodies passed.
    assert "1 failed, 4 passed, 3 errors" in output


@pytest.mark.parametrize(
    ("marker", "env", "expected"),
    [
        ("", {}, "FAILED"),
        ("@pytest.mark.browser\n", {"CI": "true"}, "FAILED"),
        ("@pytest.mark.browser\n", {}, "NOT PROVEN"),
    ],
    ids=["skipped", "no browser in CI", "no browser at home"],
)
def test_a_skipped_story_is_said_and_fails_the_suite_unless_only_a_browser_is_missing(
    tmp_path, marker, env, expected
):
    content = SKIPPED_STORY.replace('@pytest.mark.story("1.1")', f'{marker}@pytest.mark.story("1.1")')
    status, output = run_suite(tmp_path, content, **env)
    lines = [line for line in output.splitlines() if line.startswith(expected)]
    assert len(lines) == 1
    assert "test_story" in lines[0]
    assert status == (pytest.ExitCode.TESTS_FAILED if expected == "FAILED" else pytest.ExitCode.OK)

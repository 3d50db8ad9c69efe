"""Wiring of the suite: where fixtures come from, time limits, and that no story's test may be skipped."""

import os

import pytest

pytest_plugins = [
    "tests.fixtures.leftovers",
    "tests.fixtures.services",
    "tests.fixtures.database",
    "tests.fixtures.plugins",
    "tests.fixtures.site",
    "tests.fixtures.access",
    "tests.fixtures.processes",
    "tests.fixtures.ledger",
    "tests.fixtures.tables",
]

# Chaos and browser flows wait for real processes; every other test has the 10 s of pyproject.toml.
SLOW_MARKERS = ("adversity", "browser")
SLOW_TIMEOUT_S = 60


def pytest_collection_modifyitems(items):
    for item in items:
        # Of the test, its class or its file.
        has_own = item.get_closest_marker("timeout") is not None
        if not has_own and any(item.get_closest_marker(name) for name in SLOW_MARKERS):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


class SkippedStories:
    """A test that is said to prove a story and did not run fails the suite."""

    def __init__(self):
        self.failures = []
        self.notices = []

    def pytest_runtest_logreport(self, report):
        if report.skipped and "story" in report.keywords:
            # A machine without a browser may still run the rest; CI may not.
            excused = "browser" in report.keywords and os.environ.get("CI") != "true"
            (self.notices if excused else self.failures).append(report.nodeid)

    # Early, since the runner's closing lines are printed by another plugin's turn of the same hook.
    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if self.failures and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        for nodeid in self.failures:
            terminalreporter.write_line(
                f"FAILED {nodeid}: it is marked as a story's proof and was skipped", red=True
            )
        for nodeid in self.notices:
            terminalreporter.write_line(
                f"NOT PROVEN {nodeid}: there is no browser on this machine", yellow=True
            )


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # under xdist the controller sees every report
        config.pluginmanager.register(SkippedStories(), "skipped-stories")

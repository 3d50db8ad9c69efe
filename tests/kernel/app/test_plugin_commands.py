"""`trovato plugin new`, `check`, `test` and `dev`, as authors of plugins run them."""

import asyncio
import os
import shutil
import signal
import sys
from dataclasses import replace

import pytest

from kernel.app.plugin_new import find_name_problem, make_plugin
from kernel.app.plugin_watch import watch_plugin
from kernel.app.prepare import build_administrator_context
from kernel.sandbox.build import build_plugin
from tests.fixtures.database import ROOT
from tests.fixtures.plugins import NATIVE, VAR
from tests.fixtures.site import open_site

# The first build of a plugin on this machine, and one more for what is saved.
pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture
def plugins_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("TROVATO_PLUGINS", str(tmp_path / "plugins"))
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def command(plugins_dir, trovato):
    """`trovato` as conftest gives it, which looks at the environment when it is made: after the folder is in it."""
    return trovato


@pytest.fixture
def greetings(plugins_dir):
    """A plugin as `new` makes it, and built; a second run of the suite finds the artefact."""
    folder = make_plugin(plugins_dir, "greetings")
    wasm = VAR / "greetings.wasm"
    build_plugin(folder, "greetings", wasm, cache_dir=NATIVE)
    for suffix in (".wasm", ".build"):
        shutil.copy(wasm.with_suffix(suffix), folder)
    return folder


@pytest.mark.story("3.2")
async def test_a_new_plugin_is_in_order_and_passes_its_test(command, plugins_dir):
    made = await command("plugin", "new", "greetings")
    assert (made.status, made.err) == (0, "")
    folder = plugins_dir / "greetings"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "README.md",
        "greetings.info.toml",
        "greetings.py",
        "tests/test_greetings.py",
    ]
    checked = await command("plugin", "check", "greetings")
    assert (checked.status, checked.err) == (0, "")
    assert checked.out.splitlines() == [
        "Not built yet. Build it: trovato plugin build greetings",
        "greetings: manifest and source are in order.",
    ]
    tested = await command("plugin", "test", "greetings", "-q")
    assert (tested.status, tested.err) == (0, "")
    assert "1 passed" in tested.out


async def test_a_failing_test_of_a_plugin_is_the_exit_status_and_shows_the_plugins_own_error(
    command, greetings
):
    source = greetings / "greetings.py"
    source.write_text(
        source.read_text().replace("return Page(", "raise LookupError('no cook')\n    return Page(")
    )
    tested = await command("plugin", "test", str(greetings))
    assert tested.status == 1
    assert "LookupError: no cook" in tested.out
    assert "trovato_sdk.dispatch.TapFailedError: tap-error: LookupError: no cook" in tested.out
    shutil.rmtree(greetings / "tests")
    without = await command("plugin", "test", "greetings")
    assert (without.status, without.err.startswith(f"Error: {greetings}/tests is not there.")) == (1, True)


async def test_check_says_what_the_artefact_says_and_whether_it_is_current(command, greetings):
    checked = await command("plugin", "check", str(greetings))
    assert (checked.status, checked.err) == (0, "")
    assert checked.out.splitlines() == [
        "greetings.wasm says: greetings, SDK 0.1.0, tap_menu, tap_page",
        "greetings.wasm is current.",
        "greetings: manifest and source are in order.",
    ]
    # A test is no part of the artefact.
    (greetings / "tests" / "test_more.py").write_text("")
    (greetings / "greetings.py").write_text(
        (greetings / "greetings.py").read_text().replace("(request: ", "(req: ")
    )
    checked = await command("plugin", "check", "greetings")
    assert (checked.status, checked.err) == (1, "Error: greetings: 1 problem.\n")
    assert checked.out.splitlines() == [
        f"{greetings}/greetings.py:13: page asks for req, but this tap has: request, ctx.",
        "greetings.wasm says: greetings, SDK 0.1.0, tap_menu, tap_page",
        "greetings.wasm was made of other sources. Build it: trovato plugin build greetings",
    ]


async def test_what_is_not_there_is_told_with_the_command_that_makes_it(command, plugins_dir):
    for verb in ("check", "test", "dev"):
        ran = await command("plugin", verb, "nobody")
        assert ran.status == 1
        assert f"There is no plugin 'nobody' in {plugins_dir}" in ran.err
        assert "trovato plugin new nobody" in ran.err


async def test_a_new_plugin_may_be_elsewhere_and_replaces_nothing(command, tmp_path):
    made = await command("plugin", "new", "greetings", "--into", tmp_path)
    assert (made.status, (tmp_path / "greetings" / "greetings.py").is_file()) == (0, True)
    again = await command("plugin", "new", "greetings", "--into", tmp_path)
    assert again.status == 1
    assert (
        again.err
        == f"Error: {tmp_path}/greetings is there already. Choose another name, or remove it first.\n"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Greetings", "must hold a-z, 0-9 and _ only"),
        ("../greetings", "must hold a-z, 0-9 and _ only"),
        ("a" * 33, "at most 32 characters"),
        ("class", "something of Python"),
        ("calendar", "something of Python"),
        ("sdk", "something of Python or of Trovato"),
        ("admin", "belongs to Trovato itself"),
    ],
)
def test_a_name_that_is_none_is_refused(name, words):
    assert words in find_name_problem(name)


class Reports:
    """What `dev` says, for a test that waits for the end of a round."""

    def __init__(self):
        self._lines = asyncio.Queue()

    def __call__(self, line):
        self._lines.put_nowait(line)

    async def read_round(self):
        """The lines of a round, without the time in front of some."""
        lines = [await self._lines.get()]
        while "is in effect, after" not in lines[-1] and "the site keeps what it has" not in lines[-1]:
            lines.append(await self._lines.get())
        return [line.split("  ", 1)[-1] for line in lines]


async def read_page(site, visitor):
    """With what is enabled now, which a web process hears of within a second."""
    await site.web.live_plugins.follower.refresh()
    return (await visitor.get("/greetings")).text


@pytest.mark.story("3.2")
async def test_what_is_saved_is_on_the_page_without_a_restart(site_config, renderer, greetings, plugins_dir):
    config = replace(site_config, plugins_dir=plugins_dir)
    source = greetings / "greetings.py"
    reports, stop = Reports(), asyncio.Event()
    async with open_site(config, renderer) as site, site.client() as visitor:
        assert (await visitor.get("/greetings")).status_code == 404
        ctx = await build_administrator_context(site.worker)
        watching = asyncio.create_task(watch_plugin(site.worker, ctx, "greetings", reports, stop))
        try:
            begun, ended = await reports.read_round()
            assert begun == "greetings is being built"
            assert ended.startswith("greetings 0.1.0 is in effect, after")
            assert "Hello from /greetings" in await read_page(site, visitor)

            good = source.read_text()
            source.write_text(good.replace("def page(request", "def page(request, user"))
            assert await reports.read_round() == [
                f"{source}:13: page asks for user, but this tap has: request, ctx.",
                "greetings has 1 problem; the site keeps what it has",
            ]
            assert "Hello from /greetings" in await read_page(site, visitor)

            source.write_text(good.replace("Hello from", "Good morning from"))
            begun, ended = await reports.read_round()
            assert begun == "greetings is being built"
            assert ended.startswith("greetings 0.1.0 is in effect, after")
            assert "Good morning from /greetings" in await read_page(site, visitor)
        finally:
            stop.set()
            await watching


async def test_watching_ends_when_it_is_interrupted(site_config, greetings, plugins_dir):
    environment = {
        **os.environ,
        "DATABASE_URL": site_config.database_url,
        "REDIS_URL": site_config.redis_url,
        "REDIS_PREFIX": site_config.redis_prefix,
        "TROVATO_VAR": str(site_config.var),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "kernel", "plugin", "dev", "greetings"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await process.stdout.readline() == f"Watching {greetings}. Press Ctrl-C to stop.\n".encode()
    assert b"greetings is being built" in await process.stdout.readline()
    assert b"greetings 0.1.0 is in effect" in await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"Stopped.\n", b"")

"""A call that failed is kept without its secrets, happens again elsewhere, and becomes a test."""

import asyncio
import json
import os
import shutil
import subprocess
import sys

import pytest

from kernel.errors import PluginError
from kernel.sandbox.host import HostError
from kernel.sandbox.transcript import QUESTIONS_MAX, Transcript
from kernel.supervision.recording import HIDDEN, hide_secrets, make_recording
from kernel.supervision.replay import replay_call
from kernel.supervision.store import find_recording
from kernel.tap.watch import FailedCall
from tests.fixtures.database import ROOT
from tests.kernel.lifecycle.conftest import SOURCE


@pytest.fixture
async def failed(site, keeper):
    """The id of a failure of the page of `guest`, which read a variable and then gave up."""
    await keeper.install()
    async with site.worker.db.acquire() as conn:
        await conn.execute("INSERT INTO variable VALUES ('guest_fails_at', '\"page\"')")
    await site.web.live_plugins.follower.refresh()
    await keeper.fetch("/guest")
    async with asyncio.timeout(5):
        while (found := await keeper.fetchval("SELECT id FROM plugin_failure")) is None:
            await asyncio.sleep(0.05)
    return found


async def find(site, failure_id):
    async with site.worker.db.acquire() as conn:
        return await find_recording(conn, failure_id)


async def test_a_failed_call_happens_again_with_the_answers_of_then(site, keeper, failed):
    recorded, recording = await find(site, failed)
    assert recording["name"] == "tap_page"
    assert recording["transcript"] == [
        {"function": "variables.get", "arguments": ["guest_fails_at", ""], "answer": "page"}
    ]
    async with site.worker.db.acquire() as conn:
        await conn.execute("DELETE FROM variable")
    replayed = await replay_call(site.worker, recorded, recording)
    assert replayed.is_same(recorded)
    assert replayed.failure.message == "Plugin 'guest', tap_page: RuntimeError: no page today"
    assert replayed.unknown == ()


async def test_other_answers_would_have_helped(site, keeper, failed):
    recorded, recording = await find(site, failed)
    recording["transcript"] = [{**recording["transcript"][0], "answer": ""}]
    replayed = await replay_call(site.worker, recorded, recording)
    assert replayed.unknown == ("db.select",)
    assert "no page today" not in replayed.failure.message


def test_secrets_are_not_kept():
    transcript = Transcript()
    transcript.note("variables.get", ["shop_api_key", ""], "s3cret")
    transcript.note("http-api.fetch", ['{"url":"https://x.y","headers":{"Authorization":"s3cret"}}'], "{}")
    transcript.note("db.select", ['{"table": "t"}'], '[{"password":"s3cret","name":"Ada"}]')
    transcript.note("item-api.load", ["1"], HostError("not-found", "There is none."))
    payload = json.dumps({"request": {"args": {"token": "s3cret", "page": "2"}}}).encode()
    kept = make_recording(FailedCall("tap_page", payload, transcript))
    assert "s3cret" not in json.dumps(kept)
    assert kept["payload"]["request"]["args"] == {"token": HIDDEN, "page": "2"}
    assert json.loads(kept["transcript"][2]["answer"]) == [{"password": HIDDEN, "name": "Ada"}]
    assert kept["transcript"][2]["arguments"] == ['{"table": "t"}']
    assert kept["transcript"][3]["refusal"] == {"code": "not-found", "message": "There is none."}
    assert hide_secrets({"pass": 3, "pin": None, "X-Api-Key": ["a"]}) == {
        "pass": HIDDEN,
        "pin": None,
        "X-Api-Key": HIDDEN,
    }
    assert (
        hide_secrets('{"body": "{\\"token\\": \\"s3cret\\"}"}')
        == '{"body":"{\\"token\\":\\"(not shown)\\"}"}'
    )
    assert (
        hide_secrets("https://x.y/z?t=s3cret&u=1 and https://x.y/")
        == f"https://x.y/z?{HIDDEN} and https://x.y/"
    )


def test_what_is_not_published_is_not_kept():
    item = {
        "id": "1",
        "status": 0,
        "title": "Draft",
        "fields": {"field_body": {"value": "Draft", "format": "x"}},
    }
    for payload in ({"item": item}, {"items": [item]}):
        kept = make_recording(FailedCall("tap_item_view", json.dumps(payload).encode(), Transcript()))
        assert "Draft" not in json.dumps(kept)
    published = {"item": {**item, "status": 1}}
    kept = make_recording(FailedCall("tap_item_view", json.dumps(published).encode(), Transcript()))
    assert kept["payload"] == published


def test_what_nests_too_deep_is_hidden_and_stops_nobody():
    transcript = Transcript()
    transcript.note("request-context.set", ["a", "[" * 900 + "]" * 900], True)
    kept = make_recording(FailedCall("tap_page", b"{}", transcript))
    assert kept["transcript"][0]["arguments"] == ["a", HIDDEN]


def test_what_is_too_large_is_not_kept():
    transcript = Transcript()
    for number in range(QUESTIONS_MAX + 5):
        transcript.note("variables.get", ["a", ""], str(number))
    assert len(transcript.as_data()) == QUESTIONS_MAX
    transcript = Transcript()
    transcript.note("item-api.load", ["1"], "x" * 250_000)
    assert transcript.as_data() == []
    assert make_recording(FailedCall("tap_page", b'"' + b"x" * 400_000 + b'"', Transcript())) is None
    assert make_recording(PluginError("guest", "abort", "gave up").call) is None


async def test_the_command_makes_it_happen_again_and_writes_a_test(site, keeper, failed):
    config = site.config
    environment = {
        **os.environ,
        "DATABASE_URL": config.database_url,
        "REDIS_URL": config.redis_url,
        "REDIS_PREFIX": config.redis_prefix,
        "TROVATO_PLUGINS": str(config.plugins_dir),
        "TROVATO_VAR": str(config.var),
    }

    async def run(*arguments):
        """In a process of its own, as everybody runs it: a command sets up the log of its process."""
        command = [sys.executable, "-m", "kernel", "plugin", "replay", *arguments]
        return await asyncio.to_thread(
            subprocess.run, command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment
        )

    shown = await run(str(failed))
    assert shown.returncode == 0, shown.stderr
    assert "Then: Plugin 'guest', tap_page: RuntimeError: no page today" in shown.stdout
    assert "Now:  Plugin 'guest', tap_page: RuntimeError: no page today" in shown.stdout
    written = await run(str(failed), "--test")
    assert written.returncode == 0, written.stderr
    folder = config.plugins_dir / "guest"
    shutil.copy(SOURCE / "guest.py", folder)
    (test,) = (folder / "tests").glob("test_replay_*.py")
    assert run_test(test, folder) == 1
    source = (folder / "guest.py").read_text()
    (folder / "guest.py").write_text(source.replace('raise RuntimeError("no page today")', "return None"))
    assert run_test(test, folder) == 0
    missing = await run("0190a000-0000-7000-8000-000000000001")
    assert missing.returncode == 1
    assert "There is no failure" in missing.stderr


def run_test(test, folder):
    """The exit status of pytest."""
    code = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT / 'plugins' / 'sdk')!r}]; import pytest"
    code += f"; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '--rootdir', {str(folder)!r}, {str(test)!r}]))"
    return subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, cwd=folder
    ).returncode

"""`trovato plugin replay`: a call that failed on the site happens again, here."""

from pathlib import Path
from typing import Final
from uuid import UUID

import click
import orjson

from kernel.app.command import with_kernel
from kernel.errors import NotFound
from kernel.ids import parse_uuid
from kernel.runtime import Runtime
from kernel.supervision.replay import Replayed, replay_call
from kernel.supervision.store import Failure, find_recording

_TEST: Final = '''"""A call that failed on a site: {summary}"""

from pathlib import Path

import {plugin}
from trovato_sdk.replay import replay


def test_{tap}_answers_what_it_failed_on() -> None:
    replay({plugin}, Path(__file__).with_name("{file}"))
'''


@click.command("replay")
@click.argument("failure_id", metavar="ID")
@click.option("--current", is_flag=True, help="With the artefact that stands in the folder of plugins now.")
@click.option("--test", "as_test", is_flag=True, help="Write it into the plugin's own tests.")
def replay(failure_id: str, current: bool, as_test: bool) -> None:
    """Make a failed call of a plugin again, with the answers that the kernel gave it then. The page of a plugin lists
    its failures with their IDs."""
    wanted = parse_uuid(failure_id)
    if wanted is None:
        raise click.ClickException(
            f"{failure_id!r} is no ID of a failure; the page of the plugin lists them."
        )
    if as_test:
        for path in with_kernel(lambda rt: _write_test(rt, wanted), with_plugins=False):
            click.echo(f"Written: {path}")
        return
    recorded, replayed = with_kernel(lambda rt: _replay(rt, wanted, current=current), with_plugins=False)
    click.echo(f"Then: {recorded.message}")
    if replayed.failure is not None:
        click.echo(f"Now:  {replayed.failure.message}")
        if replayed.failure.detail:
            click.echo(replayed.failure.detail.rstrip())
    else:
        click.echo(f"Now it answers: {replayed.answer}")
    for function in replayed.unknown:
        click.echo(f"Asked besides, and was not answered: {function}")
    if not replayed.is_same(recorded):
        raise SystemExit(1)


async def _replay(rt: Runtime, failure_id: UUID, *, current: bool) -> tuple[Failure, Replayed]:
    recorded, recording = await _find(rt, failure_id)
    wasm = rt.config.plugins_dir / recorded.plugin / f"{recorded.plugin}.wasm" if current else None
    return recorded, await replay_call(rt, recorded, recording, wasm)


async def _write_test(rt: Runtime, failure_id: UUID) -> tuple[Path, Path]:
    recorded, recording = await _find(rt, failure_id)
    folder = rt.config.plugins_dir / recorded.plugin / "tests"
    if not folder.parent.is_dir():
        raise NotFound(f"There is no source of the plugin '{recorded.plugin}' in {rt.config.plugins_dir}.")
    folder.mkdir(exist_ok=True)
    name = f"replay_{recorded.id.hex[-12:]}"
    data, test = folder / f"{name}.json", folder / f"test_{name}.py"
    data.write_bytes(orjson.dumps(recording, option=orjson.OPT_INDENT_2) + b"\n")
    tap = recorded.tap.removeprefix("tap_")
    summary = recorded.message.splitlines()[0].replace('"', "'").replace("\\", "/")[:80]
    test.write_text(
        _TEST.format(summary=summary, plugin=recorded.plugin, tap=tap, file=data.name), encoding="utf-8"
    )
    return data, test


async def _find(rt: Runtime, failure_id: UUID) -> tuple[Failure, dict[str, object]]:
    """Raises NotFound."""
    async with rt.db.acquire() as conn:
        found = await find_recording(conn, failure_id)
    if found is None:
        raise NotFound(f"There is no failure {failure_id}; old ones are removed.")
    recorded, recording = found
    if recording is None:
        raise NotFound("Of this failure there is no recording: its call was too large, or never began.")
    return recorded, recording

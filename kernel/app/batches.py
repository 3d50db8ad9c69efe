"""The commands that start long work over many items: import, export, a new search index, fresh pages."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

import click

from kernel.app.command import with_kernel
from kernel.app.follow_batch import describe_waiting, follow_batch, wait_until_taken
from kernel.app.prepare import build_administrator_context
from kernel.batch.download import read_output, read_refused
from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import build_chunks, read_lines
from kernel.batch.operation import Operation
from kernel.batch.refresh_pages import REFRESH_PAGES
from kernel.batch.reindex import REINDEX
from kernel.batch.selection import Selection
from kernel.batch.start import start_batch
from kernel.batch.store import measure_output
from kernel.errors import BadInput
from kernel.item_type.load import get_item_type
from kernel.ledger.model import Job
from kernel.runtime import Runtime

STATUSES: Final = {"published": 1, "unpublished": 0}
PIPE: Final = Path("-")

WAIT: Final = click.option("--wait", is_flag=True, help="Show how far it is and how it ended.")


@click.command("import")
@click.argument(
    "file", metavar="FILE|-", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option("--type", "default_type", default="", help="The item type of lines that name none.")
@click.option(
    "--refused",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Wait, and write refused lines to this file instead of FILE.refused.jsonl.",
)
@WAIT
def import_(file: Path, default_type: str, refused: Path | None, wait: bool) -> None:
    """Import items from lines of JSON (docs/batches.md); a worker must be running.

    With --wait, lines that are refused are written to a file, and then the exit status is 1.
    """
    name = "stdin" if file == PIPE else file.name
    target = refused or (Path() if file == PIPE else file.parent) / f"{name}.refused.jsonl"
    with _open_input(file) as lines:
        count = sum(1 for line in read_lines(lines) if line.strip())
        if not count:
            raise BadInput(f"There is nothing in {name}.")

        async def work(rt: Runtime) -> Job | None:
            if default_type:
                await get_item_type(rt, await build_administrator_context(rt), default_type)
            lines.seek(0)
            arguments = ImportItems(count, default_type)
            job = await _do(
                rt, IMPORT_ITEMS, arguments, wait or refused is not None, build_chunks(read_lines(lines))
            )
            if job is not None and _count(job, "refused"):
                with _replace_file(target) as kept:
                    async for refused_lines in read_refused(rt, job.id):
                        kept.write(refused_lines)
            return job

        if refused or wait:
            _require_place_for(target)
        job = with_kernel(work, with_plugins=False)
    if job is None:
        return
    click.echo(f"{_count(job, 'done'):,} items imported, {_count(job, 'refused'):,} lines refused.")
    if _count(job, "refused"):
        click.echo(f"They stand in {target}, each with what is wrong: mend them there and import that file.")
        raise SystemExit(1)


@click.command()
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only of this type; may be repeated.")
@click.option("--status", type=click.Choice(list(STATUSES)), help="Only these.")
@click.option(
    "--output",
    metavar="FILE|-",
    default="-",
    show_default=True,
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Where to write.",
)
def export(types: tuple[str, ...], status: str | None, output: Path) -> None:
    """Export items as lines of JSON (docs/batches.md); a worker must be running.

    The exit status is 1 when an item is too long for a line; the others are written.
    """
    if output != PIPE:
        _require_place_for(output)

    async def work(rt: Runtime) -> Job:
        ctx = await build_administrator_context(rt)
        for name in types:
            await get_item_type(rt, ctx, name)
        selection = Selection(types=list(types), status=STATUSES[status] if status else None)
        job = await follow_batch(rt, await start_batch(rt, ctx, EXPORT_ITEMS, selection))
        async with rt.db.acquire() as conn:
            chunks, _ = await measure_output(conn, job.id)
        with _replace_file(output) as file:
            async for chunk in read_output(rt, job.id, chunks):
                file.write(chunk)
        await _show_refused(rt, job)
        return job

    job = with_kernel(work, with_plugins=False)
    click.echo(f"{_count(job, 'done'):,} items exported.", err=True)
    if _count(job, "refused"):
        click.echo(f"{_count(job, 'refused'):,} are not in it; why stands above.", err=True)
        raise SystemExit(1)


@click.command()
@WAIT
def reindex(wait: bool) -> None:
    """Compute the search index of every item anew; a worker must be running."""
    _run_over_everything(REINDEX, wait, "{:,} items indexed.")


@click.command("refresh-pages")
@WAIT
def refresh_pages(wait: bool) -> None:
    """Forget all pages that are kept ready, some at a time; a worker must be running."""
    _run_over_everything(REFRESH_PAGES, wait, "The kept pages of {:,} items are forgotten.")


def _run_over_everything(operation: Operation, wait: bool, said: str) -> None:
    async def work(rt: Runtime) -> Job | None:
        job = await _do(rt, operation, Selection(), wait)
        if job is not None:
            await _show_refused(rt, job)
        return job

    job = with_kernel(work, with_plugins=False)
    if job is not None:
        click.echo(said.format(_count(job, "done")))
        if _count(job, "refused"):
            raise SystemExit(1)


async def _do(
    rt: Runtime, operation: Operation, arguments: object, wait: bool, chunks: Iterable[str] = ()
) -> Job | None:
    """Start it and say where to look; its end when somebody waits for that."""
    ctx = await build_administrator_context(rt)
    batch_id = await start_batch(rt, ctx, operation, arguments, chunks=chunks)
    click.echo(f"{operation.label}: {rt.config.public_url}/batch/{batch_id}")
    if wait:
        return await follow_batch(rt, batch_id)
    if not await wait_until_taken(rt, batch_id):
        click.echo(describe_waiting(batch_id), err=True)
    return None


async def _show_refused(rt: Runtime, job: Job) -> None:
    if _count(job, "refused"):
        async for lines in read_refused(rt, job.id):
            click.echo(lines.decode(), nl=False, err=True)


def _count(job: Job, name: str) -> int:
    return int((job.result or {})[name])


@contextmanager
def _open_input(file: Path) -> Iterator[BinaryIO]:
    """Something to read twice: to count the lines, and to hand them over."""
    with sys.stdin.buffer if file == PIPE else file.open("rb") as given:
        if given.seekable():
            yield given
            return
        with TemporaryFile() as kept:
            shutil.copyfileobj(given, kept)
            kept.seek(0)
            yield kept


def _require_place_for(path: Path) -> None:
    """Raises BadInput: known before the work, not after it."""
    if not path.parent.is_dir():
        raise BadInput(f"{path} cannot be written: there is no directory {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadInput(f"{path} cannot be written: this account may not.")


@contextmanager
def _replace_file(path: Path) -> Iterator[BinaryIO]:
    """Written beside it and put in its place when it is whole; a pipe or a device is written as it is."""
    if path == PIPE:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

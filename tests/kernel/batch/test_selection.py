"""A selection names each item once and numbers each by its place, whatever stands in the list or changes meanwhile."""

import pytest

from kernel.batch import run as batch_run
from kernel.batch.delete_items import DELETE_ITEMS
from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import CHUNK_LINES, build_chunks
from kernel.batch.publish_items import UNPUBLISH_ITEMS
from kernel.batch.selection import SLICE, Selection, write_listed
from kernel.errors import Conflict, NotFound
from kernel.ids import uuid7
from tests.kernel.batch.batch_site import build_note


async def list_ids(site):
    return [row["id"] for row in await site.fetch("SELECT id FROM item ORDER BY id")]


async def test_numbers_are_unique_whatever_stands_in_the_list(site):
    """Lines that name nothing, and items that are named twice, move no number of those behind them."""
    await site.import_lines([build_note(1)])
    (good,) = await list_ids(site)
    gone = [uuid7() for _ in range(CHUNK_LINES + 5)]
    lines = ["", "no id", write_listed(good, None), write_listed(good, None)]
    lines += [write_listed(item_id, None) for item_id in gone]
    job = await site.run(UNPUBLISH_ITEMS, Selection(listed=len(lines)), chunks=build_chunks(lines))
    problems = await site.fetch("SELECT number, ref FROM job_problem ORDER BY number")
    assert problems == [{"number": 5 + n, "ref": str(item_id)} for n, item_id in enumerate(gone)]
    assert (job.progress_done, job.progress_total) == (len(lines), len(lines))
    assert await site.fetch_value("SELECT status FROM item") == 0
    assert await site.fetch_value("SELECT count(*) FROM item_revision") == 2
    again = await site.run(UNPUBLISH_ITEMS, Selection(retry_of=job.id, retried=len(gone)))
    assert again.result["refused"] == len(gone)
    assert [number for number, _ in await site.problems(again)] == list(range(1, len(gone) + 1))


async def test_a_filter_takes_only_what_matches_every_part_of_it(site):
    await site.fetch("INSERT INTO item_type (type, label) VALUES ('other', 'Other')")
    await site.import_lines(
        [
            build_note(title="50% of Rome"),
            build_note(title="50 of Rome"),
            build_note(title="50% of rome", status=False),
            {"type": "other", "title": "50% of Rome"},
        ]
    )
    job = await site.run(DELETE_ITEMS, Selection(types=["note"], status=1, text="0% OF r"))
    assert job.result["done"] == 1
    assert await site.titles() == ["50 of Rome", "50% of rome", "50% of Rome"]


async def test_what_comes_in_after_the_start_is_not_taken(site, monkeypatch):
    monkeypatch.setattr(batch_run, "TURN_S", 0.0)
    await site.import_lines([build_note(number) for number in range(SLICE + 10)])
    job_id = await site.start(DELETE_ITEMS, Selection())
    assert (await site.attempt(job_id)).progress_done == SLICE
    await site.import_lines([build_note(title="Newer")])
    job = await site.attempt(job_id)
    while not job.is_finished:
        job = await site.attempt(job_id)
    assert (job.result["done"], job.progress_total) == (SLICE + 10, SLICE + 10)
    assert await site.titles() == ["Newer"]


async def test_items_that_go_meanwhile_are_missed_by_nobody(site, monkeypatch):
    monkeypatch.setattr(batch_run, "TURN_S", 0.0)
    await site.import_lines([build_note(number) for number in range(SLICE + 10)])
    job_id = await site.start(UNPUBLISH_ITEMS, Selection())
    await site.attempt(job_id)
    # From both sides of the checkpoint.
    ids = await list_ids(site)
    await site.fetch("DELETE FROM item WHERE id = ANY($1)", [ids[0], ids[-1]])
    job = await site.attempt(job_id)
    while not job.is_finished:
        job = await site.attempt(job_id)
    assert (job.result["done"], job.progress_done, job.progress_total) == (SLICE + 9,) * 3
    assert await site.fetch_value("SELECT count(*) FROM item WHERE status = 1") == 0


async def test_only_who_started_it_or_an_administrator_may_try_again_what_was_refused(site):
    rights = ("access content overview", "edit any note content", "administer content", "create note content")
    ed, eve = await site.make_actor("ed", *rights), await site.make_actor("eve", *rights)
    lines = [write_listed(uuid7(), None)]
    first = await site.run(UNPUBLISH_ITEMS, Selection(listed=1), chunks=build_chunks(lines), ctx=ed)
    imported = await site.import_lines(["x"], ctx=ed)
    with pytest.raises(NotFound):
        await site.start(UNPUBLISH_ITEMS, Selection(retry_of=first.id, retried=1), ctx=eve)
    with pytest.raises(NotFound):
        await site.start(IMPORT_ITEMS, ImportItems(1, retry_of=imported.id), ctx=eve)
    for ctx in (ed, site.ctx):
        again = await site.run(UNPUBLISH_ITEMS, Selection(retry_of=first.id, retried=1), ctx=ctx)
        assert again.result["refused"] == 1


async def test_of_another_operation_or_too_early_or_too_late_nothing_is_tried_again(site):
    lines = [write_listed(uuid7(), None)]
    first = await site.run(UNPUBLISH_ITEMS, Selection(listed=1), chunks=build_chunks(lines))
    with pytest.raises(Conflict, match="cannot be tried again by this: Delete items"):
        await site.start(DELETE_ITEMS, Selection(retry_of=first.id, retried=1))
    with pytest.raises(Conflict, match="cannot be tried again by this: Import items"):
        await site.start(IMPORT_ITEMS, ImportItems(1, retry_of=first.id))
    exported = await site.run(EXPORT_ITEMS, Selection())
    with pytest.raises(Conflict, match="cannot be tried again"):
        await site.start(EXPORT_ITEMS, Selection(retry_of=exported.id, retried=1))
    waiting = await site.start(UNPUBLISH_ITEMS, Selection())
    with pytest.raises(Conflict, match="not over yet"):
        await site.start(UNPUBLISH_ITEMS, Selection(retry_of=waiting, retried=1))
    again = await site.start(UNPUBLISH_ITEMS, Selection(retry_of=first.id, retried=1))
    await site.fetch("DELETE FROM job WHERE id = $1", first.id)
    with pytest.raises(NotFound, match="There is no batch"):
        await site.start(UNPUBLISH_ITEMS, Selection(retry_of=first.id, retried=1))
    # It was there when this was asked for: nothing is left of what to do.
    assert (await site.attempt(again)).result["done"] == 0

"""`trovato jobs`, run as a person runs it: in a process of its own."""

import json
from uuid import UUID

import pytest

from kernel.context import Actor
from kernel.ids import uuid7
from kernel.jobs import INDEX_ITEM, SAVE_ITEM, SaveItem
from kernel.ledger.lists import WINDOW
from kernel.user.account import create_user
from tests.fixtures.ledger import EDITOR, claim, get_job, set_job, submit

SECRET = "words of the payload"

pytestmark = pytest.mark.timeout(40)


async def save(ledger, ctx=EDITOR):
    return await submit(ledger, kind=SAVE_ITEM, payload=SaveItem(uuid7(), "page", SECRET, {}), ctx=ctx)


async def test_jobs_are_listed_as_a_table_and_as_json(ledger, trovato):
    empty = await trovato("jobs", "list")
    assert (empty.status, empty.out) == (0, "There are no jobs.\n")
    ada = await create_user(ledger.db, name="Ada", password=None)
    waiting = await save(ledger, EDITOR.acting_as(Actor(id=ada.id)))
    dead = await save(ledger)
    await set_job(
        ledger, dead, "status = 'dead', attempts = 5, error = '{\"message\": \"The plugin did not answer.\"}'"
    )
    table = await trovato("jobs", "list")
    assert table.status == 0
    lines = table.out.splitlines()
    assert lines[0].split() == ["id", "kind", "status", "turns", "asked", "for", "took", "by"]
    assert lines[1].split()[:4] == [str(dead), "save_item", "dead", "5"]
    assert lines[1].endswith("a visitor")
    assert lines[2].strip() == "The plugin did not answer."
    assert lines[3].split()[:4] == [str(waiting), "save_item", "queued", "0"]
    assert lines[3].endswith("Ada")
    found = await trovato("jobs", "list", "--status", "attention", "--kind", "save_item", "--json")
    (line,) = found.out.splitlines()
    assert json.loads(line)["id"] == str(dead)
    nothing = await trovato("jobs", "list", "--status", "cancelled", "--limit", "1")
    assert nothing.out == "There are no such jobs.\n"
    assert SECRET not in table.out + found.out


async def test_a_search_that_stopped_early_is_not_taken_for_an_empty_one(ledger, trovato):
    oldest = await save(ledger)
    await set_job(ledger, oldest, "status = 'cancelled'")
    async with ledger.db.acquire() as conn:
        await conn.execute(
            """
            INSERT INTO job (id, kind, status, actor_id)
            SELECT ('0f000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'save_item', 'done', $1
            FROM generate_series(1, $2::int) AS number
            """,
            EDITOR.actor.id,
            WINDOW,
        )
    told = "among the newest 20,000 jobs; older ones were not looked at.\n"
    for options in ((), ("--json",)):
        ran = await trovato("jobs", "list", "--status", "cancelled", *options)
        assert (ran.status, ran.out, ran.err) == (0, "", f"There are none {told}")
    newest = await save(ledger)
    async with ledger.db.acquire() as conn:
        moved = UUID("0f100000-0000-7000-8000-000000000000")
        await conn.execute("UPDATE job SET id = $2, status = 'cancelled' WHERE id = $1", newest, moved)
    ran = await trovato("jobs", "list", "--status", "cancelled")
    assert str(moved) in ran.out
    assert str(oldest) not in ran.out
    assert ran.err == f"There are no more {told}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(
            ("list", "--status", "lost"), "'lost' is not one of 'unfinished', 'attention'", id="status"
        ),
        pytest.param(("list", "--kind", "poem"), "'poem' is not one of", id="kind"),
        pytest.param(("list", "--limit", "0"), "0 is not in the range 1<=x<=1000", id="limit"),
        pytest.param(("show", "7"), "'7' is not a valid UUID", id="no-id"),
        pytest.param(("show", str(uuid7())), "There is no job 0", id="unknown"),
        pytest.param(("retry",), "Missing argument 'ID...'", id="nothing-to-retry"),
    ],
)
async def test_a_mistake_is_named(trovato, arguments, words):
    ran = await trovato("jobs", *arguments)
    assert ran.status != 0
    assert words in ran.err
    assert "Traceback" not in ran.err


async def test_one_job_is_shown_without_its_payload(ledger, trovato):
    job_id = await save(ledger)
    await set_job(
        ledger, job_id, "status = 'failed', attempts = 1, failures = 1, error = '{\"message\": \"No.\"}'"
    )
    shown = await trovato("jobs", "show", str(job_id))
    assert shown.status == 0
    facts = dict(
        line.split(maxsplit=1) for line in shown.out.splitlines() if line.startswith(("id", "kind", "status"))
    )
    assert facts == {"id": str(job_id), "kind": "save_item", "status": "failed"}
    assert '{"message":"No."}' in shown.out
    as_json = await trovato("jobs", "show", str(job_id), "--json")
    assert json.loads(as_json.out)["error"] == {"message": "No."}
    assert SECRET not in shown.out + as_json.out


async def test_a_job_is_tried_again_and_one_that_cannot_be_is_left_alone(ledger, trovato):
    dead, waiting, unknown = await save(ledger), await save(ledger), uuid7()
    await set_job(ledger, dead, "status = 'dead', attempts = 5, failures = 5, finished = now()")
    ran = await trovato("jobs", "retry", str(dead), str(waiting), str(unknown))
    assert ran.status == 1
    assert ran.out.splitlines() == [
        f"{dead} is tried again.",
        f"{waiting} is queued and was left alone: only failed and dead jobs are tried again.",
    ]
    assert ran.err.strip() == f"There is no job {unknown}."
    job = await get_job(ledger, dead)
    assert (job.status, job.failures, job.attempts) == ("queued", 0, 5)
    assert (await claim(ledger, dead)).attempts == 6


async def test_a_job_is_cancelled_and_one_that_is_over_is_left_alone(ledger, trovato):
    waiting, over = await save(ledger), await submit(ledger, kind=INDEX_ITEM)
    await set_job(ledger, over, "status = 'done', finished = now()")
    ran = await trovato("jobs", "cancel", str(waiting), str(over))
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"{waiting} will be cancelled as soon as a worker meets it.",
        f"{over} is done already and was left alone.",
    ]
    assert (await claim(ledger, waiting)).status == "cancelled"

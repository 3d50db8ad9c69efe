"""Lists of jobs: what is found, in which order, and that a look never goes further than its window."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from kernel.clock import now
from kernel.ids import first_uuid7, uuid7
from kernel.ledger.lists import (
    ATTENTION,
    COUNTED,
    WINDOW,
    JobFilter,
    RecentWork,
    _Query,
    count_open_jobs,
    count_own_jobs,
    count_recent_work,
    list_jobs,
)
from kernel.ledger.model import UNFINISHED, JobStatus
from tests.fixtures.ledger import analyze_jobs

ADA, BOB, NOBODY = UUID(int=7), UUID(int=8), UUID(int=0)


async def add(conn, status="done", *, kind="save_item", actor=ADA, age=timedelta(0), **columns):
    """A row as it would stand there after a while; its id tells its age."""
    when = now() - age
    job_id = UUID(int=first_uuid7(when).int | uuid7().int & (1 << 80) - 1)
    row = {"id": job_id, "kind": kind, "status": status, "actor_id": actor, "created": when, **columns}
    names, places = ", ".join(row), ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await conn.execute(f"INSERT INTO job ({names}) VALUES ({places})", *row.values())
    return job_id


async def find(conn, limit=50, **wanted):
    return [line.id for line in (await list_jobs(conn, JobFilter(**wanted), limit)).lines]


async def test_the_newest_come_first_and_the_list_goes_on_where_it_stopped(conn):
    ids = [await add(conn, age=timedelta(minutes=number)) for number in range(7)]
    first = await list_jobs(conn, JobFilter(), 3)
    assert [line.id for line in first.lines] == ids[:3]
    second = await list_jobs(conn, JobFilter(before=first.next_before), 3)
    assert [line.id for line in second.lines] == ids[3:6]
    # A job that comes in between moves nothing.
    await add(conn)
    last = await list_jobs(conn, JobFilter(before=second.next_before), 3)
    assert ([line.id for line in last.lines], last.next_before) == (ids[6:], None)


async def test_a_page_that_is_just_full_goes_on_nowhere(conn):
    for _ in range(3):
        await add(conn)
    assert (await list_jobs(conn, JobFilter(), 3)).next_before is None


async def test_every_filter_finds_its_own(conn):
    rows = {
        status: await add(conn, status, age=timedelta(hours=number))
        for number, status in enumerate(("queued", "running", "done", "failed", "dead", "cancelled"))
    }
    indexed = await add(conn, "dead", kind="index_item", actor=BOB, age=timedelta(days=3))
    for status in JobStatus:
        expected = [rows[status], indexed] if status is JobStatus.DEAD else [rows[status]]
        assert await find(conn, statuses=[status]) == expected
    assert await find(conn, statuses=UNFINISHED) == [rows["queued"], rows["running"]]
    assert await find(conn, statuses=ATTENTION) == [rows["failed"], rows["dead"], indexed]
    assert await find(conn, statuses=ATTENTION, kind="index_item") == [indexed]
    assert await find(conn, kind="index_item") == [indexed]
    assert await find(conn, actor_id=BOB) == [indexed]
    assert await find(conn, since=now() - timedelta(minutes=90)) == [rows["queued"], rows["running"]]
    assert await find(conn, since=datetime(2999, 1, 1, tzinfo=UTC)) == []
    assert await find(conn, statuses=[JobStatus.DONE], kind="index_item") == []


async def test_what_somebody_started_leaves_out_what_followed_from_it(conn):
    started = await add(conn, age=timedelta(minutes=1))
    await add(conn, kind="index_item", parent_id=started)
    await add(conn, kind="record_login")
    await add(conn, kind="retry_job")
    assert await find(conn, actor_id=ADA, is_started_by_hand=True) == [started]
    assert len(await find(conn, actor_id=ADA)) == 4


async def test_a_session_without_an_account_finds_its_own(conn):
    mine = await add(conn, actor=NOBODY, session_key="mine")
    await add(conn, actor=NOBODY, session_key="theirs")
    await add(conn, actor=ADA)
    assert await find(conn, actor_id=NOBODY, session_key="mine") == [mine]
    assert await find(conn, actor_id=NOBODY, session_key="") == []


async def test_a_line_tells_of_result_and_error_and_never_of_the_payload(conn):
    await add(
        conn,
        "dead",
        payload={"title": "secret words"},
        result={"outcome": "saved", "title": "House style", "path": "/item/x"},
        error={"code": "error", "message": "The plugin did not answer."},
    )
    (line,) = (await list_jobs(conn, JobFilter(), 5)).lines
    assert (line.outcome, line.title, line.error) == ("saved", "House style", "The plugin did not answer.")
    assert line.actor_name == ""
    assert "secret words" not in repr(line)


async def test_a_batch_is_known_by_its_operation_from_the_start_to_the_end(conn):
    given = {"operation": "reindex", "arguments": {"text": "secret words"}}
    for payload, cursor in ((given, None), (given, {**given, "place": 1}), ({}, given)):
        await add(conn, "queued", kind="run_batch", payload=payload, cursor=cursor)
    # Only of batches.
    await add(conn, payload={"operation": "reindex"})
    lines = (await list_jobs(conn, JobFilter(), 5)).lines
    assert sorted(line.operation or "" for line in lines) == ["", "reindex", "reindex", "reindex"]
    assert "secret words" not in repr(lines)


async def test_a_search_stops_at_its_window_and_says_where_to_go_on(conn):
    newest = [await add(conn, "cancelled", age=timedelta(days=days)) for days in (2, 3)]
    await conn.execute(
        """
        INSERT INTO job (id, kind, status, actor_id)
        SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'save_item', 'done', $1
        FROM generate_series(1, $2::int) AS number
        """,
        ADA,
        WINDOW + 100,
    )
    # Older than all of those above, by its id.
    oldest = await add(conn, "cancelled", age=now() - datetime(2024, 1, 1, tzinfo=UTC))
    first = await list_jobs(conn, JobFilter(statuses=[JobStatus.CANCELLED]), 2)
    assert ([line.id for line in first.lines], first.is_cut) == (newest, True)
    second = await list_jobs(conn, JobFilter(statuses=[JobStatus.CANCELLED], before=first.next_before), 2)
    assert ([line.id for line in second.lines], second.next_before) == ([oldest], None)


async def test_counts_stop_counting(conn):
    for status, number in (("queued", 3), ("running", 2), ("failed", 1), ("done", 5)):
        for _ in range(number):
            await add(conn, status)
    await conn.execute(
        """
        INSERT INTO job (id, kind, status, actor_id)
        SELECT gen_random_uuid(), 'save_item', 'dead', $1 FROM generate_series(1, $2::int)
        """,
        BOB,
        COUNTED + 1,
    )
    assert await count_open_jobs(conn) == {"queued": 3, "running": 2, "failed": 1, "dead": COUNTED}
    assert await count_own_jobs(conn, ADA, None) == {"queued": 3, "running": 2, "failed": 1, "done": 5}
    assert await count_own_jobs(conn, NOBODY, "mine") == {}
    assert await count_recent_work(conn, ADA, now() - timedelta(days=1)) == RecentWork(5, 1)
    assert await count_recent_work(conn, ADA, now() + timedelta(days=1)) == RecentWork(0, 0)
    assert await count_recent_work(conn, NOBODY, now() - timedelta(days=1)) == RecentWork(0, 0)


LISTS = {
    "everything": JobFilter(),
    "further back": JobFilter(before=uuid7()),
    "since a day": JobFilter(since=now() - timedelta(days=1)),
    "needs attention": JobFilter(statuses=ATTENTION),
    "under way": JobFilter(statuses=UNFINISHED),
    "somebody's": JobFilter(actor_id=BOB),
    "somebody's own": JobFilter(actor_id=ADA, is_started_by_hand=True),
    "cancelled": JobFilter(statuses=[JobStatus.CANCELLED]),
    "a kind": JobFilter(kind="delete_item"),
}


async def test_no_list_and_no_count_reads_the_whole_table(conn):
    """Of 60,000 jobs, most of them done, as on a site that has run for a while and where much was given up."""
    await conn.execute(
        """
        INSERT INTO job (id, kind, status, actor_id)
        SELECT gen_random_uuid(), 'save_item', CASE WHEN n % 10 = 0 THEN 'dead' ELSE 'done' END, $1
        FROM generate_series(1, 60000) AS n
        """,
        ADA,
    )
    await analyze_jobs(conn)
    for name, wanted in LISTS.items():
        query = _Query(wanted)
        plan = await conn.fetch(f"EXPLAIN {query.found} ORDER BY id DESC LIMIT 26", *query.values)
        text = "\n".join(line for (line,) in plan)
        assert "Index" in text, name
        assert "Seq Scan" not in text, (name, text)
        assert "Sort" not in text or name == "under way", (name, text)

"""Entries are written with their change, listed by what is asked for, and leave when their time is over."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from kernel import clock
from kernel.audit.model import Entry, Origin, Place, Wanted
from kernel.audit.store import forget_addresses, insert_events, list_events, list_known, prune_events
from kernel.names import ANONYMOUS_ID
from kernel.user.account import create_user

ADA = UUID(int=7)
ENTRIES = [
    Entry("item.create", "item", str(UUID(int=1)), "Roses, red", {"type": "page"}),
    Entry("item.change", "item", str(UUID(int=1)), "Roses, RED"),
    Entry("login.success", "account", str(ADA)),
    Entry("login.refused", "account"),
]


async def add(conn, entries=ENTRIES, address="192.0.2.7"):
    """One after another: in a transaction all have one time, and the order of ids counts."""
    for entry in entries:
        await insert_events(conn, Origin(ADA, "request-1", address), [entry])


async def find(conn, after=None, limit=50, **wanted):
    return await list_events(conn, Wanted(**wanted), after, limit)


async def test_entries_are_found_by_what_is_asked_for(conn):
    await add(conn)
    assert [event.action for event in await find(conn)] == [entry.action for entry in reversed(ENTRIES)]
    assert [event.action for event in await find(conn, action="item.change")] == ["item.change"]
    assert len(await find(conn, area="item")) == 2
    assert len(await find(conn, area="ite")) == 0
    assert len(await find(conn, subject="roses, r")) == 2
    assert len(await find(conn, subject="roses, r", by_title=False)) == 0
    assert len(await find(conn, subject=str(ADA).upper())) == 1
    assert len(await find(conn, area="item", subject=str(UUID(int=1)), actor_id=ADA)) == 2
    assert len(await find(conn, actor_id=ADA)) == 4
    assert await find(conn, actor_id=ANONYMOUS_ID) == []
    now = clock.now()
    assert (
        await find(conn, since=now + timedelta(hours=1))
        == await find(conn, until=now - timedelta(hours=1))
        == []
    )
    (first,) = await find(conn, action="item.create")
    assert (first.details, first.request_id, first.client_address) == (
        {"type": "page"},
        "request-1",
        "192.0.2.7",
    )
    assert await list_known(conn) == (
        ["item.change", "item.create", "login.refused", "login.success"],
        ["item", "login"],
    )


async def test_pages_follow_one_another_without_a_gap_or_a_double(conn):
    await add(conn, [Entry("item.change", "item", str(number)) for number in range(7)])
    seen, after = [], None
    while page := await find(conn, after, 3):
        seen += [event.subject_id for event in page]
        after = Place(page[-1].at, page[-1].id)
    assert seen == [str(number) for number in reversed(range(7))]


async def test_accounts_get_the_name_of_that_moment(database):
    user = await create_user(database, name="Ada", password=None)
    async with database.transaction() as tx:
        await insert_events(tx.conn, Origin(user.id), [Entry("login.success", "account", str(user.id))])
        (event,) = await find(tx.conn)
    assert (event.actor_name, event.subject_label) == ("Ada", "Ada")


async def test_addresses_leave_before_their_entries_and_both_in_time(conn):
    await add(conn)
    old = clock.now() + timedelta(days=1)
    assert await forget_addresses(conn, old - timedelta(days=2), 10) == 0
    assert await forget_addresses(conn, old, 10) == 4
    assert {event.client_address for event in await find(conn)} == {""}
    assert await prune_events(conn, old - timedelta(days=2), 10) == 0
    assert await prune_events(conn, old, 3) == 3
    assert len(await find(conn)) == 1


async def test_nobody_but_its_own_tasks_changes_the_log(web_database, database):
    async with database.acquire() as conn:
        await add(conn)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE audit_event SET action = 'item.view'")
    async with web_database.acquire() as conn:
        assert len(await find(conn)) == 4
        for statement in (
            "DELETE FROM audit_event",
            "UPDATE audit_event SET client_address = ''",
            "INSERT INTO audit_event (id) VALUES (gen_random_uuid())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)

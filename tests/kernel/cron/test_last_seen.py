"""What sessions know of when people were last seen comes to stand with their accounts."""

from datetime import timedelta

from kernel.clock import now
from kernel.cron.tasks import TASKS
from kernel.shared.seen import Sightings
from kernel.shared.session import SEEN_MS, Sessions
from kernel.user.account import create_user
from kernel.user.store import find_user, update_access_times
from tests.fixtures.cron import get_runs, run_now

(TASK,) = (task for task in TASKS if task.name == "note_last_seen")
TTL_S = 3_600.0
LONG_AGO = now() - timedelta(days=29)


async def test_whoever_uses_a_session_was_seen_also_without_logging_in_again(
    rt, redis_client, redis_prefix, database
):
    ada = await create_user(database, name="Ada", password=None)
    bob = await create_user(database, name="Bob", password=None)
    async with rt.db.acquire() as conn:
        assert await update_access_times(conn, [(ada.id, LONG_AGO), (bob.id, LONG_AGO)]) == 2

    async def use_session(user_id, unused_ms):
        sessions = Sessions(rt.shared, TTL_S)
        session = await sessions.create(user_id=user_id, is_remembered=False)
        redis_client.pexpire(f"{redis_prefix}:session:{session.key}", int(TTL_S * 1000) - unused_ms)
        await sessions.load(session.id)

    async def read_access(user):
        async with rt.db.acquire() as conn:
            return (await find_user(conn, user.id)).access

    # Bob's use is noted with the next one, a few minutes later; a stranger's never.
    await use_session(bob.id, SEEN_MS - 60_000)
    await use_session(None, SEEN_MS + 60_000)
    await use_session(ada.id, SEEN_MS + 60_000)
    await run_now(rt, TASK)
    seen = await read_access(ada)
    assert now() - timedelta(minutes=5) < seen
    assert await read_access(bob) == LONG_AGO
    (run,) = await get_runs(rt, TASK.name)
    assert run.note == "1 person seen since the last time"
    sightings = Sightings(rt.shared)
    assert await sightings.list_oldest(10) == []

    # Who is seen again while it is taken up is not forgotten, and a time never moves back.
    await use_session(ada.id, SEEN_MS + 60_000)
    earlier = await sightings.list_oldest(10)
    await use_session(ada.id, SEEN_MS + 60_000)
    await sightings.drop(earlier)
    (later,) = await sightings.list_oldest(10)
    assert (later.user_id, later.at > earlier[0].at) == (ada.id, True)
    async with rt.db.acquire() as conn:
        assert await update_access_times(conn, [(ada.id, LONG_AGO)]) == 0
    assert await read_access(ada) == seen

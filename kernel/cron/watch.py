"""The tasks about people at the doors: who was seen or refused is taken up, addresses and old entries are deleted."""

from datetime import UTC, datetime, timedelta
from typing import Final

from kernel.audit.store import forget_addresses, prune_events
from kernel.cron.prune import BATCH, remove_all
from kernel.cron.turn import Turn
from kernel.rate_limit.store import prune_refusals, write_refusals
from kernel.runtime import Runtime
from kernel.shared.refusals import STRETCH_S, list_stretches, name_tally, read_refusal
from kernel.shared.seen import Sightings
from kernel.shared.tally import Tallies
from kernel.user.store import update_access_times

KEEP_REFUSALS: Final = timedelta(days=7)
_EVER: Final = datetime.min.replace(tzinfo=UTC)


async def run_collect_refusals(rt: Runtime, turn: Turn) -> None:
    """From Redis, where each process counts, into the table. Raises Unavailable."""
    tallies = Tallies(rt.shared)
    # The last stretch that a run before this one took up may have had a latecomer.
    since = turn.last_run - timedelta(seconds=2 * STRETCH_S) if turn.last_run else _EVER
    stretches = [
        (begin, await tallies.read([name_tally(begin)])) for begin in list_stretches(since, turn.now)
    ]
    refused = sum(sum(numbers.values()) for _, numbers in stretches)
    addresses_before = turn.now - timedelta(days=rt.config.keep_addresses_days)
    async with turn.step() as step:
        for begin, numbers in stretches:
            counted = [(*read_refusal(field), number) for field, number in numbers.items()]
            await write_refusals(step.conn, begin, counted)
    pruned = 0
    while not turn.is_over:
        async with turn.step() as step:
            number = await prune_refusals(step.conn, turn.now - KEEP_REFUSALS, addresses_before, BATCH)
            pruned += number
            if number < BATCH:
                step.finish(_tell_refusals(refused, pruned))


def _tell_refusals(refused: int, pruned: int) -> str:
    if not refused and not pruned:
        return "Nothing to take up"
    return f"{refused:,} refused requests taken up, {pruned:,} old rows removed"


async def run_note_last_seen(rt: Runtime, turn: Turn) -> None:
    """From Redis, where the sessions note it, to the accounts. Raises Unavailable."""
    sightings = Sightings(rt.shared)
    noted = 0
    while not turn.is_over:
        batch = await sightings.list_oldest(BATCH)
        async with turn.step() as step:
            noted += await update_access_times(step.conn, [(one.user_id, one.at) for one in batch])
            if len(batch) < BATCH:
                people = f"{noted:,} {'person' if noted == 1 else 'people'}"
                step.finish(f"{people} seen since the last time" if noted else "Nobody was seen since")
        # After the commit: what is taken up twice is as what is taken up once.
        await sightings.drop(batch)


async def run_prune_audit(rt: Runtime, turn: Turn) -> None:
    addresses_before = turn.now - timedelta(days=rt.config.keep_addresses_days)
    before = turn.now - timedelta(days=rt.config.keep_audit_days)
    await remove_all(
        turn,
        lambda conn: forget_addresses(conn, addresses_before, BATCH),
        lambda conn: prune_events(conn, before, BATCH),
    )

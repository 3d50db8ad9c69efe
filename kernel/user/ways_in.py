"""Ends what lets somebody in without a password: their sessions, and one-time login links."""

from collections.abc import Collection
from uuid import UUID

from kernel.errors import Unavailable
from kernel.ledger.run import Effects
from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.shared.session import Sessions
from kernel.user.login_link import delete_login_links

log = get_logger(__name__)


async def end_ways_in(rt: Runtime, user_ids: Collection[UUID], *, but_session: str | None = None) -> None:
    """Except the session with that key. Before the commit of what asks for it: when Redis does not answer, nothing was
    changed. Raises Unavailable."""
    sessions = Sessions(rt.shared, rt.config.session_ttl_s)
    for user_id in user_ids:
        await sessions.delete_all(user_id, but=but_session)
        await delete_login_links(rt.shared, user_id)


async def end_ways_in_again(
    rt: Runtime, user_ids: Collection[UUID], *, but_session: str | None = None
) -> None:
    """After the commit: what began since the first time, with what was still good then. Whoever begins later is asked
    again when the session is made."""
    try:
        await end_ways_in(rt, user_ids, but_session=but_session)
    except Unavailable as error:
        log.warning("sessions that began during a change were not ended", error=error.detail)


async def end_ways_in_with(
    rt: Runtime, effects: Effects, user_ids: Collection[UUID], *, but_session: str | None = None
) -> None:
    """Both, around the commit of a job. Raises Unavailable."""
    await end_ways_in(rt, user_ids, but_session=but_session)
    effects.after_commit(lambda: end_ways_in_again(rt, user_ids, but_session=but_session))

"""Who may know what of a job: its own people everything, overseers its state but nothing of the content."""

from typing import Final, Protocol
from uuid import UUID

from kernel.context import Context

# Lets somebody see the state of everybody's jobs, cancel them and try them again.
ADMINISTER_JOBS: Final = "administer jobs"


class Owned(Protocol):
    """Whatever tells whose job it is about."""

    @property
    def actor_id(self) -> UUID: ...

    @property
    def session_key(self) -> str | None: ...


def is_own(ctx: Context, job: Owned) -> bool:
    """Its actor asks, or, for a job of nobody's account, the session that submitted it."""
    if not ctx.actor.is_anonymous:
        return job.actor_id == ctx.actor.id
    same_actor = job.actor_id == ctx.actor.id
    return same_actor and job.session_key is not None and job.session_key == ctx.session_key


def may_read(ctx: Context, job: Owned) -> bool:
    """Everything about it, with titles and values of the content that it is about."""
    return ctx.actor.is_admin or is_own(ctx, job)


def may_oversee(ctx: Context, job: Owned) -> bool:
    """Its state, and to cancel it or have it tried again."""
    return ctx.actor.may(ADMINISTER_JOBS) or is_own(ctx, job)

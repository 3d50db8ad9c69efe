"""Who may know what of a job: its own people everything, overseers its state but nothing of the content.

What a plugin puts off until later is done on behalf of whoever was being served, and is not theirs all the same: they
did not ask for it, and what the plugin wrote down is not for their eyes. Nor is a mail theirs: what became of it would
tell them whether there is an account with that name or address. And what is noted at the doors, of logins that failed
or a token that was used, is for the site to know, and for nobody who stands there to cancel.
"""

from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

from kernel.context import Context
from kernel.jobs import RECORD_LOGIN, WORK_PLUGIN_QUEUE
from kernel.login_jobs import SPEND_RECOVERY_CODE
from kernel.mail_jobs import CHANGE_MAIL, MAIL_PASSWORD_RESET, REGISTER, SEND_MAIL
from kernel.person_jobs import NOTE_TOKEN_USE
from kernel.site_jobs import NOTE_LOGIN_FAILURE

# Lets somebody see the state of everybody's jobs, cancel them and try them again.
ADMINISTER_JOBS: Final = "administer jobs"
# Kinds that are nobody's own, whoever they run as.
OF_THE_SITE: Final = frozenset(
    kind.name
    for kind in (
        WORK_PLUGIN_QUEUE,
        SEND_MAIL,
        MAIL_PASSWORD_RESET,
        REGISTER,
        CHANGE_MAIL,
        NOTE_LOGIN_FAILURE,
        RECORD_LOGIN,
        SPEND_RECOVERY_CODE,
        NOTE_TOKEN_USE,
    )
)


class Owned(Protocol):
    """Whatever tells whose job it is about."""

    @property
    def kind(self) -> str: ...

    @property
    def actor_id(self) -> UUID: ...

    @property
    def session_key(self) -> str | None: ...

    @property
    def scope(self) -> Sequence[str] | None: ...


def is_own(ctx: Context, job: Owned) -> bool:
    """Its actor asks, or, for a job of nobody's account, the session that submitted it. A token with a scope stands for
    its person in jobs that reach no further than itself."""
    if job.kind in OF_THE_SITE:
        return False
    limit = ctx.actor.scope
    if limit is not None and (job.scope is None or not limit.issuperset(job.scope)):
        return False
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

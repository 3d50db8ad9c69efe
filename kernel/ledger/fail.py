"""What becomes of an attempt that failed: whether trying again can help, when, and what people are told."""

import traceback
from random import Random
from typing import Any, Final

from kernel.errors import PluginError, PluginFailure, TooMany, TrovatoError, Unavailable, WorkFailed
from kernel.job_kind import JobKind
from kernel.ledger.model import Job, JobStatus

_FIRST_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 600.0

# A busy machine can cause these; every other failure of a plugin would only be repeated.
_PASSING_FAILURES: Final[frozenset[PluginFailure]] = frozenset(
    {"timeout", "cpu-budget", "memory", "host-error"}
)


def can_heal(error: BaseException) -> bool:
    """An error of ours comes from the values, except one about a service or a limit; others may pass."""
    match error:
        case PluginError():
            return error.reason in _PASSING_FAILURES
        case Unavailable() | TooMany() | WorkFailed():
            return True
        case TrovatoError():
            return False
        case _:
            return True


def choose_status(error: BaseException, failures: int, kind: JobKind) -> JobStatus:
    """`failures` counts this one too."""
    if not can_heal(error):
        return JobStatus.FAILED
    tries = min(kind.max_attempts, error.tries) if isinstance(error, WorkFailed) else kind.max_attempts
    return JobStatus.QUEUED if failures < tries else JobStatus.DEAD


def compute_backoff_s(failures: int, random: Random) -> float:
    """Four times longer after each failure, up to ten minutes, and spread by half either way: jobs that
    failed together do not come back together."""
    longest = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 4.0 ** (failures - 1))
    return longest * random.uniform(0.5, 1.5)


def describe_error(error: BaseException, job: Job) -> dict[str, Any]:
    """What the row keeps and people see: the messages of our own errors are made for that, others are not.

    That of a plugin's failure may repeat what the plugin was given; `failure` is what anybody may know of it.
    """
    if isinstance(error, TrovatoError):
        described = dict(error.as_data()["error"])  # type: ignore[call-overload]  # one shape, see errors.py
    elif isinstance(error, TimeoutError):
        described = {"code": "timeout", "message": "This took longer than it may."}
    else:
        described = {"code": "error", "message": "Something went wrong in the worker; its log tells more."}
    cause = error.__cause__ if isinstance(error, WorkFailed) else error
    if isinstance(cause, PluginError):
        described["failure"] = {"plugin": cause.plugin, "tap": cause.tap, "reason": cause.reason}
    return {**described, "exception": type(error).__name__, "attempt": job.attempts}


def describe_for_log(error: BaseException) -> dict[str, str]:
    """Type and place of the error. The text of a foreign exception may repeat the payload: it is left out."""
    chain: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    # An error that is raised again from one that it caused is its own reason.
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        own = f": {current} {current.detail or ''}".rstrip() if isinstance(current, TrovatoError) else ""
        code = getattr(current, "sqlstate", None)
        chain.append(f"{type(current).__name__}{f' (SQLSTATE {code})' if code else ''}{own}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return {"error": " from ".join(chain), "stack": "".join(traceback.format_tb(error.__traceback__))}

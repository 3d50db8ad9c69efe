"""The errors a caller may catch: each has a stable code, an HTTP status and a message that is safe to show.

    TrovatoError
    ├── BadInput            400  the request cannot be understood
    │   ├── Invalid         422  it is understood, and values in it are wrong: one complaint per field
    │   └── TooLarge        413
    ├── LoginRequired       401
    ├── Forbidden           403
    │   └── StaleForm       403  the form token is missing, forged or from another session
    ├── NotFound            404  also for what the actor may not know about
    ├── Conflict            409  somebody else changed it first
    ├── TooMany             429
    ├── Unavailable         503  a service that this needs does not answer
    ├── ConfigError         500  the environment or a manifest is wrong; stops the start
    ├── PluginError         500  a plugin failed; `reason` says how
    ├── WorkFailed          500  the work of a job failed and may go better another time
    ├── LeaseLost           500  this worker no longer owns the job
    └── MigrationError      500

`str(error)` is the public message. What must not reach a browser goes to `detail`, which only the log sees.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

PluginFailure = Literal[
    "tap-error",
    "tap-not-implemented",
    "bad-answer",
    "cpu-budget",
    "timeout",
    "memory",
    "stack-overflow",
    "abort",
    "exit",
    "host-error",
    "link-error",
    "stale-artefact",
    "refused-capability",
]


class TrovatoError(Exception):
    """Base of the tree; never raised itself."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def as_data(self) -> dict[str, object]:
        """The JSON body of an error answer: one shape at every door."""
        return {"error": {"code": self.code, "message": self.message}}


class BadInput(TrovatoError):
    """The request cannot be understood."""

    code = "bad-input"
    status = 400


class Invalid(BadInput):
    """Values are wrong; `problems` maps a field's name (or "" for the whole) to what is wrong with it."""

    code = "invalid"
    status = 422

    def __init__(
        self, problems: Mapping[str, str], message: str = "Some values need your attention."
    ) -> None:
        super().__init__(message)
        self.problems = dict(problems)

    def as_data(self) -> dict[str, object]:
        return {"error": {"code": self.code, "message": self.message, "problems": self.problems}}


class TooLarge(BadInput):
    """The body, or one value of it, exceeds its limit."""

    code = "too-large"
    status = 413


class LoginRequired(TrovatoError):
    """Nobody is logged in, and this needs somebody."""

    code = "login-required"
    status = 401


class Forbidden(TrovatoError):
    """The actor is known and may not do this."""

    code = "forbidden"
    status = 403


class StaleForm(Forbidden):
    """A form token is missing, forged, or belongs to another session or form."""

    code = "stale-form"


class NotFound(TrovatoError):
    """It does not exist, or the actor may not know that it does."""

    code = "not-found"
    status = 404


class Conflict(TrovatoError):
    """The thing was changed since the caller read it."""

    code = "conflict"
    status = 409


class TooMany(TrovatoError):
    """A limit on how often something may be done is used up."""

    code = "too-many"
    status = 429


class Unavailable(TrovatoError):
    """PostgreSQL or Redis does not answer."""

    code = "unavailable"
    status = 503


class ConfigError(TrovatoError):
    """The environment or a manifest is wrong; `problems` lists every mistake, each naming the thing."""

    code = "config"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PluginError(TrovatoError):
    """A plugin failed; the message names plugin, tap and reason. With `is_whole` it does so already. `may_pass` says of
    one that could not be loaded that it is worth another try, with nothing changed."""

    code = "plugin"

    def __init__(
        self,
        plugin: str,
        reason: PluginFailure,
        message: str,
        *,
        tap: str | None = None,
        detail: str | None = None,
        is_whole: bool = False,
        may_pass: bool = False,
    ) -> None:
        place = f"Plugin '{plugin}', {tap}" if tap else f"Plugin '{plugin}'"
        super().__init__(message if is_whole else f"{place}: {message}", detail=detail)
        self.plugin = plugin
        self.reason: PluginFailure = reason
        self.tap = tap
        self.may_pass = may_pass
        # The call that failed, as kernel.tap.watch keeps it; None where it never began.
        self.call: object = None


class WorkFailed(TrovatoError):
    """The work of a job failed and may go better another time; `tries` is how often it is tried in all, unless its kind
    allows fewer."""

    code = "work-failed"

    def __init__(self, message: str, *, tries: int, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.tries = tries


class LeaseLost(TrovatoError):
    """The job was taken over or cancelled; nothing of this attempt may be written."""

    code = "lease-lost"


class MigrationError(TrovatoError):
    """A migration was changed after it was applied, or failed."""

    code = "migration"

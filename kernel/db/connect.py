"""Opens connections to PostgreSQL and says in a person's words why one could not be opened."""

from typing import Any
from urllib.parse import urlsplit

import asyncpg

from kernel.errors import ConfigError, TrovatoError, Unavailable

# What asyncpg raises when the server is away, as opposed to when it refuses a statement.
DISCONNECTED = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # Also of a connection that a stopping server ends in the middle of something: asyncpg then finds itself in a state
    # that it did not expect.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)

# What the server raises for a value that it has no room for.
UNSTORABLE = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)

# What it raises for a value that another row has already, or for one that is missing.
TAKEN = (asyncpg.IntegrityConstraintViolationError,)

# What it raises when others hold what is needed: for too long, or while they wait for what we hold.
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

# What it raises for a table that is not there, or not as the caller thinks.
UNKNOWN_TABLE = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.DatatypeMismatchError,
)

# What the server raises when it is there and does not want us.
REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidParameterValueError,
    asyncpg.InsufficientPrivilegeError,
)


async def connect(url: str, *, application_name: str) -> Any:
    """One connection outside any pool, as whoever the URL logs in. Raises Unavailable or ConfigError."""
    try:
        return await asyncpg.connect(
            url, timeout=10, server_settings={"application_name": application_name, "timezone": "UTC"}
        )
    except (*DISCONNECTED, *REFUSED) as error:
        raise explain_refusal(url, error) from error


def explain_refusal(url: str, error: Exception) -> TrovatoError:
    """The error to raise instead: it names the server, never the password."""
    parts = urlsplit(url)
    server = f"PostgreSQL at {parts.hostname or 'its socket'}:{parts.port or 5432}"
    if isinstance(error, REFUSED):
        # The role that is set at login does not exist yet.
        unmigrated = isinstance(error, asyncpg.InvalidParameterValueError)
        hint = " Run `trovato migrate` first." if unmigrated else ""
        return ConfigError([f"{server} refuses the login of DATABASE_URL: {error}.{hint}"])
    return Unavailable(
        f"{server} does not answer. Check DATABASE_URL and that the server runs.", detail=repr(error)
    )

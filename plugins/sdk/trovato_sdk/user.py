"""Who is asking; an answer that depends on it is shown to nobody else."""

from typing import Final

from trovato_sdk.kernel import user_api

ANONYMOUS_ID: Final = "00000000-0000-0000-0000-000000000000"


def current_id() -> str:
    """The user's UUID, ANONYMOUS_ID for somebody who is not logged in."""
    return user_api.current_user_id()


def is_anonymous() -> bool:
    """Whether the user is not logged in."""
    return current_id() == ANONYMOUS_ID


def may(permission: str) -> bool:
    """Whether the user has the permission, which the manifest must list under [capabilities]."""
    return user_api.current_user_has_permission(permission)

"""A scratch pad that all plugins of one request share."""

from trovato_sdk.kernel import request_context as _request_context


def get(key: str) -> str | None:
    """What a plugin has set in this request; None when nobody has."""
    return _request_context.get(key)


def set(key: str, value: str) -> bool:  # noqa: A001  # it is read as request_context.set
    """False when the pad is full or the value too large."""
    return _request_context.set(key, value)

"""Settings of the site, shared by all processes."""

from trovato_sdk.kernel import Err
from trovato_sdk.kernel import variables as _variables
from trovato_sdk.refusal import RefusedError, read_refusal


class VariableError(RefusedError):
    """The kernel did not set it. `code` is "refused-capability" (no variable of this plugin), "bad-payload",
    "too-large", "conflict", "not-available", "host-error"."""


def get(name: str, default: str = "") -> str:
    """`default` when nobody has set it, or the manifest does not list it under [capabilities]."""
    return _variables.get(name, default)


def set(name: str, value: str) -> None:  # noqa: A001  # as it is called in the kernel's contract
    """Its name begins with that of the plugin: `variables.set("blog_posts_per_page", "25")`. At most 100,000
    characters, and 1,000 variables of a plugin.

    In a request it happens a moment later, and `get` answers the old value as long as the request lasts. Raises
    VariableError.
    """
    try:
        _variables.set(name, value)
    except Err as refusal:
        raise VariableError(*read_refusal(refusal)) from None

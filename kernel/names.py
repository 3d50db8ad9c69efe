"""Machine names: what one looks like, and the few that the platform itself gives a meaning."""

import re
from typing import Final
from uuid import UUID

# Short enough for a Postgres identifier with a prefix (63 bytes), plain enough for a URL and a file name.
MACHINE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
# A last label that begins with a letter cannot be part of an address in numbers.
HOST: Final = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
)

LIVE: Final = "live"
# The cache tag on every page: dropped when all of them change, as with another theme or release.
PAGES_TAG: Final = "page"
# The cache tag on every page at a path of a plugin, whatever else it depends on.
PLUGIN_PAGES_TAG: Final = "plugin_pages"
# The cache tag on what depends on which plugins are enabled.
PLUGINS_TAG: Final = "plugins"
# The cache tag on every answer of a plugin that is kept.
FRAGMENTS_TAG: Final = "fragments"
# The permission without which nobody sees an item.
ACCESS_CONTENT: Final = "access content"
# What administrators alone may, since no permission without a name can be given to a role.
EVERYTHING: Final = ""
ANONYMOUS_ID: Final = UUID(int=0)
# Whoever runs commands on the machine of the site: no account, and no account is called so.
OPERATOR_ID: Final = UUID(int=1)
OPERATOR_NAME: Final = "the command line"
ANONYMOUS_ROLE: Final = "anonymous user"
AUTHENTICATED_ROLE: Final = "authenticated user"


def is_machine_name(text: str) -> bool:
    return MACHINE_NAME.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """A name in small letters and no address, so what a certificate can be made out to."""
    return HOST.fullmatch(text) is not None


def is_local_host(host: str) -> bool:
    """A name of one label, as `localhost`: it means something in one network alone."""
    return "." not in host


def item_tag(item_id: object) -> str:
    """The cache tag of everything that shows the item, by its UUID or that as text."""
    return f"item:{item_id}"


def has_forbidden_text(text: str) -> bool:
    """Whether the text holds a NUL or a lone surrogate, which neither PostgreSQL nor UTF-8 can store."""
    if "\x00" in text:
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False

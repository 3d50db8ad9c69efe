"""What there is to be permitted: by the kernel, by item types, and by plugins."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kernel.audit.model import VIEW_AUDIT
from kernel.context import Context
from kernel.item.access import VIEW_UNPUBLISHED, content_permissions
from kernel.item_type.load import list_item_types
from kernel.item_type.model import ItemType
from kernel.ledger.access import ADMINISTER_JOBS
from kernel.names import ACCESS_CONTENT
from kernel.runtime import Runtime
from kernel.tap.answers import Permission
from kernel.user.token import USE_API_TOKENS

ADMINISTER_USERS: Final = "administer users"
ADMINISTER_PERMISSIONS: Final = "administer permissions"
# Who may do what begins like this could give themselves more; only administrators hand it out.
RESTRICTED_PREFIX: Final = "administer "

CONTENT: Final = "Content"
PEOPLE: Final = "People"
SITE: Final = "Site"


@dataclass(frozen=True, slots=True)
class KnownPermission:
    """`group` is the heading under which it stands, `title` what it lets somebody do."""

    name: str
    title: str
    description: str
    group: str

    @property
    def is_restricted(self) -> bool:
        return is_restricted(self.name)


KERNEL_PERMISSIONS: Final = (
    KnownPermission(
        ACCESS_CONTENT,
        "See published content",
        "Without it nobody sees an item, whatever else they may.",
        CONTENT,
    ),
    KnownPermission(
        VIEW_UNPUBLISHED, "See everybody's drafts", "Authors always see what they wrote themselves.", CONTENT
    ),
    KnownPermission(
        "access content overview",
        "Use the list of all content",
        "With actions on many items, each of which asks for its own permission.",
        CONTENT,
    ),
    KnownPermission(
        "use full_html format",
        "Write with all of HTML that is safe",
        "Tables, images and headings in texts, beyond the plain formats.",
        CONTENT,
    ),
    KnownPermission(
        "administer content",
        "Import, export and maintain all content",
        "Also whatever a rule for single items would refuse.",
        CONTENT,
    ),
    KnownPermission(
        ADMINISTER_USERS,
        "Make, change, block and delete accounts",
        "But not those of administrators, or of people with a permission that administers something.",
        PEOPLE,
    ),
    KnownPermission(
        ADMINISTER_PERMISSIONS,
        "Change roles and what they may do",
        "But neither give nor take a permission that administers something.",
        PEOPLE,
    ),
    KnownPermission(
        USE_API_TOKENS,
        "Use API tokens, and make one's own",
        "For programs that act on one's behalf, with no more rights than oneself. Without it no token is good.",
        PEOPLE,
    ),
    KnownPermission(
        ADMINISTER_JOBS,
        "See, cancel and retry everybody's jobs",
        "Without titles and values of the content that they are about.",
        SITE,
    ),
    KnownPermission("administer site", "Set up the site", "Cron, mail and other settings.", SITE),
    KnownPermission(
        VIEW_AUDIT,
        "Read the audit log",
        "Who changed what, who came in, and from which address.",
        SITE,
    ),
    KnownPermission(
        "administer plugins",
        "Install, enable and remove plugins",
        "A plugin brings code that runs for everybody.",
        SITE,
    ),
)


def is_restricted(name: str) -> bool:
    return name.startswith(RESTRICTED_PREFIX)


async def list_permissions(rt: Runtime, ctx: Context) -> list[KnownPermission]:
    """All of them, group after group."""
    types = await list_item_types(rt, ctx)
    return join_permissions(types, rt.plugins.permissions)


def join_permissions(types: Sequence[ItemType], declared: Iterable[Permission]) -> list[KnownPermission]:
    """Each name once: where a plugin declares what the kernel or an item type has, the kernel's words stand."""
    found = {permission.name: permission for permission in KERNEL_PERMISSIONS}
    for item_type in types:
        for permission in _list_of_type(item_type):
            found.setdefault(permission.name, permission)
    for given in declared:
        known = KnownPermission(given.name, given.title, given.description, f"Plugin {given.plugin}")
        found.setdefault(given.name, known)
    groups = list(dict.fromkeys(permission.group for permission in found.values()))
    return sorted(found.values(), key=lambda permission: groups.index(permission.group))


def list_gone(granted: Iterable[Collection[str]], known: Iterable[KnownPermission]) -> list[KnownPermission]:
    """What roles were given and nothing brings any more, as after a plugin was disabled."""
    names = {permission.name for permission in known}
    gone = sorted({name for permissions in granted for name in permissions if name not in names})
    return [KnownPermission(name, name, "", "") for name in gone]


def _list_of_type(item_type: ItemType) -> list[KnownPermission]:
    titles = ("Create", "Edit one's own", "Edit everybody's", "Delete one's own", "Delete everybody's")
    group = f"Content of the type {item_type.label}"
    return [
        KnownPermission(name, f"{title}: {item_type.label}", "", group)
        for name, title in zip(content_permissions(item_type.type), titles, strict=True)
    ]

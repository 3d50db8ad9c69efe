"""Who is asking, in which stage and language, under which request id."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from kernel.names import ANONYMOUS_ID, LIVE


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a program, as far as decisions need to know: `permissions` is the union over its roles. `scope` is
    what a program was limited to, whatever the person may on whose behalf it comes; None for no such limit.
    `timezone` is where the person tells the time, "" for where the device does, and decides nothing."""

    id: UUID = ANONYMOUS_ID
    name: str = ""
    is_admin: bool = False
    permissions: frozenset[str] = frozenset()
    scope: frozenset[str] | None = None
    timezone: str = ""

    @property
    def is_anonymous(self) -> bool:
        return self.id == ANONYMOUS_ID

    def may(self, permission: str) -> bool:
        """Administrators may everything; everybody else what a role of theirs grants."""
        return self.is_admin or permission in self.permissions

    def within(self, scope: frozenset[str] | None) -> "Actor":
        """With no more rights than the scope has; an administrator is then none."""
        if scope is None:
            return self
        permissions = scope if self.is_admin else self.permissions & scope
        return replace(self, is_admin=False, permissions=permissions, scope=scope)


@dataclass(frozen=True, slots=True)
class Context:
    """`session_key` is a hash of the session id, so that a job can be shown to the session that asked for it. `depth`
    counts the jobs of plugins that led to this one, each submitted in a tap of the one before. `client_address` is
    where a request came from, for the audit log."""

    actor: Actor = field(default_factory=Actor)
    stage_id: str = LIVE
    language: str = "en"
    request_id: str = ""
    session_key: str | None = None
    depth: int = 0
    client_address: str = ""

    def acting_as(self, actor: Actor) -> "Context":
        return replace(self, actor=actor)

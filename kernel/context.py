"""Who is asking, in which stage and language, under which request id."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from kernel.names import ANONYMOUS_ID, LIVE


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a program, as far as decisions need to know: `permissions` is the union over its roles."""

    id: UUID = ANONYMOUS_ID
    name: str = ""
    is_admin: bool = False
    permissions: frozenset[str] = frozenset()

    @property
    def is_anonymous(self) -> bool:
        return self.id == ANONYMOUS_ID

    def may(self, permission: str) -> bool:
        """Administrators may everything; everybody else what a role of theirs grants."""
        return self.is_admin or permission in self.permissions


@dataclass(frozen=True, slots=True)
class Context:
    """`session_key` is a hash of the session id, so that a job can be shown to the session that asked for it. `depth`
    counts the jobs of plugins that led to this one, each submitted in a tap of the one before."""

    actor: Actor = field(default_factory=Actor)
    stage_id: str = LIVE
    language: str = "en"
    request_id: str = ""
    session_key: str | None = None
    depth: int = 0

    def acting_as(self, actor: Actor) -> "Context":
        return replace(self, actor=actor)

"""Tells why somebody may, or may not: step by step, the first step that is not neutral decides."""

from collections.abc import Sequence

from kernel.context import Context
from kernel.item.access import Operation, Step
from kernel.item.decide import Decision, decide_access
from kernel.item.model import Item
from kernel.names import ANONYMOUS_ROLE, AUTHENTICATED_ROLE
from kernel.people.model import CountedRole, Person
from kernel.runtime import Runtime
from kernel.tap.answers import DENY, GRANT, NEUTRAL
from kernel.tap.record import Record
from kernel.tap.scope import TapScope
from kernel.user.load import load_actor, load_anonymous


def explain_permission(person: Person | None, roles: Sequence[CountedRole], permission: str) -> list[Step]:
    """`roles` are all there are. Without a person it is about whoever is not logged in."""
    if person is not None and not person.user.is_active:
        return [_explain_block(person)]
    if person is not None and person.user.is_admin:
        return [Step(GRANT, f"{person.name} is an administrator, who may do everything.")]
    everybody = ANONYMOUS_ROLE if person is None else AUTHENTICATED_ROLE
    own = person.role_ids if person is not None else frozenset()
    steps = []
    for role in roles:
        if role.name != everybody and role.id not in own:
            continue
        has = permission in role.permissions
        says = "grants it" if has else "does not grant it"
        steps.append(Step(GRANT if has else NEUTRAL, f"The role “{role.name}” {says}."))
    return [*steps, Step(DENY, "Nothing else grants it.")]


async def explain_item(
    rt: Runtime, ctx: Context, person: Person | None, item: Item, operation: Operation
) -> Decision:
    """As it is decided when they come themselves, plugins included."""
    if person is not None and not person.user.is_active:
        return Decision((_explain_block(person),), Record())
    actor = await load_actor(rt, person.id) if person is not None else await load_anonymous(rt)
    async with TapScope(rt.plugins, ctx.acting_as(actor)) as scope:
        return (await decide_access(scope, [item], operation))[0]


def _explain_block(person: Person) -> Step:
    return Step(DENY, f"{person.name} is blocked and cannot log in.")

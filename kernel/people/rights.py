"""Who may change whose account and which role: nobody can get more rights by changing others than they have."""

from collections.abc import Iterable
from typing import Final

from kernel.context import Actor
from kernel.people.model import AssignedRole, Person
from kernel.people.permission import ADMINISTER_PERMISSIONS, ADMINISTER_USERS

NOT_PEOPLE: Final = "You may not administer people."
NOT_ROLES: Final = "You may not administer roles and permissions."
ONLY_ADMINISTRATORS: Final = "Only an administrator may do that."


def find_obstacle(actor: Actor, person: Person) -> str:
    """Why the actor may not change this account, as a sentence; "" when they may.

    Whoever may change an account can set its password, and so do what its person may.
    """
    if not actor.may(ADMINISTER_USERS):
        return NOT_PEOPLE
    if actor.is_admin:
        return ""
    if person.user.is_admin:
        return f"{person.name} is an administrator. {ONLY_ADMINISTRATORS}"
    for role in person.roles:
        if role.is_restricted:
            return f"{person.name} has the role “{role.name}”, which administers something. {ONLY_ADMINISTRATORS}"
    return ""


def find_role_obstacle(actor: Actor, roles: Iterable[AssignedRole]) -> str:
    """Why the actor may not give or take one of these roles; "" when they may."""
    if actor.is_admin:
        return ""
    for role in roles:
        if role.is_restricted:
            return (
                f"The role “{role.name}” may administer something. Only an administrator gives or takes it."
            )
    return ""


def find_grant_obstacle(actor: Actor, restricted: Iterable[str]) -> str:
    """Why the actor may not give or take these restricted permissions; "" when they may."""
    if not actor.may(ADMINISTER_PERMISSIONS):
        return NOT_ROLES
    if actor.is_admin:
        return ""
    for name in restricted:
        return f"“{name}” administers something. Only an administrator gives or takes it."
    return ""

"""Who may change whose account and which role: nobody can get more rights by changing others than they have."""

from collections.abc import Iterable
from typing import Final

from kernel.context import Actor
from kernel.people.model import AssignedRole, Person
from kernel.people.permission import ADMINISTER_PERMISSIONS, ADMINISTER_USERS

NOT_PEOPLE: Final = "You may not administer people."
NOT_ROLES: Final = "You may not administer roles and permissions."
ONLY_ADMINISTRATORS: Final = "Only an administrator may do that."
# A session that was left open must not outlast itself: there the password is asked for.
OWN_PASSWORD: Final = "You set your own password at /user/password, with the one that you have."  # noqa: S105  # a sentence
OWN_MAIL: Final = "You change your own address at /user/mail, with your password."
OWN_LINK: Final = "A link is for somebody else. You set your own password at /user/password."


def find_obstacle(actor: Actor, person: Person) -> str:
    """Why the actor may not change this account, as a sentence; "" when they may.

    What of it lets somebody in is another question: `find_opening_obstacle`.
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


def find_opening_obstacle(actor: Actor, person: Person) -> str:
    """Why the actor may not set what opens somebody else's account, or get a link into it; "" when they may. Whoever
    could would do there what they may not do themselves."""
    obstacle = find_obstacle(actor, person)
    if obstacle or actor.is_admin:
        return obstacle
    for role in person.roles:
        if role.permissions - actor.permissions:
            return (
                f"{person.name} has the role “{role.name}”, which may do what you may not. Only an administrator"
                " sets what opens this account."
            )
    return ""


def find_role_obstacle(actor: Actor, roles: Iterable[AssignedRole]) -> str:
    """Why the actor may not give or take one of these roles; "" when they may.

    Taking asks as much as giving: an account that has lost a role can be opened by who could not before, and what was
    opened stays so when the role is given back.
    """
    if actor.is_admin:
        return ""
    for role in roles:
        if role.is_restricted:
            return (
                f"The role “{role.name}” may administer something. Only an administrator gives or takes it."
            )
        beyond = sorted(role.permissions - actor.permissions)
        if beyond:
            return (
                f"The role “{role.name}” may do what you may not: {', '.join(beyond[:3])}."
                " Only an administrator gives or takes it."
            )
    return ""


def list_offered_roles(actor: Actor, roles: Iterable[AssignedRole]) -> list[AssignedRole]:
    """Those that the actor may give and take."""
    return [role for role in roles if not find_role_obstacle(actor, [role])]


def find_grant_obstacle(actor: Actor, restricted: Iterable[str]) -> str:
    """Why the actor may not give or take these restricted permissions; "" when they may."""
    if not actor.may(ADMINISTER_PERMISSIONS):
        return NOT_ROLES
    if actor.is_admin:
        return ""
    for name in restricted:
        return f"“{name}” administers something. Only an administrator gives or takes it."
    return ""

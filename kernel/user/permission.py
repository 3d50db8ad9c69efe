"""Decides whether somebody has a permission."""

from kernel.context import Actor


def user_has_permission(actor: Actor, permission: str) -> bool:
    """Administrators have every one, others those of their roles, strangers those of the anonymous role."""
    return actor.may(permission)

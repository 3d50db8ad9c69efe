"""The elements of forms into which people type a password, the one that they have or a new one."""

from typing import Final

from kernel.form.model import Element
from kernel.user.password import PASSWORD_MAX, PASSWORD_MIN

NEW_PASSWORD_HELP: Final = (
    f"At least {PASSWORD_MIN} characters. A sentence is easier to remember than a puzzle."
)


def ask_password(
    name: str = "current", label: str = "Current password", *, help_text: str = "", autofocus: bool = False
) -> Element:
    """The one that the person has."""
    return Element(
        "password",
        name,
        label,
        help=help_text,
        required=True,
        max_length=PASSWORD_MAX,
        autocomplete="current-password",
        autofocus=autofocus,
    )


def ask_own_password(*, has_password: bool) -> list[Element]:
    """Where there is one; a person who came by a one-time link may have none."""
    return [ask_password()] if has_password else []


def ask_new_password(label: str) -> list[Element]:
    """Twice: nobody sees what is typed."""
    return [
        Element(
            "password",
            name,
            text,
            help=help_text,
            required=True,
            max_length=PASSWORD_MAX,
            autocomplete="new-password",
        )
        for name, text, help_text in (
            ("password", label, NEW_PASSWORD_HELP),
            ("again", f"{label} again", ""),
        )
    ]

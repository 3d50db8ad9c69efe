"""The forms of people: log in, log out, change the password, use a one-time link."""

from typing import Final

from kernel.form.build import build_form
from kernel.form.model import Element, Form
from kernel.user.name import NAME_MAX
from kernel.user.password import PASSWORD_MAX, PASSWORD_MIN

LOGIN_PATH: Final = "/user/login"
LOGOUT_PATH: Final = "/user/logout"
PASSWORD_PATH: Final = "/user/password"  # noqa: S105  # a path


def build_login_form(*, destination: str = "") -> Form:
    """`destination` is the path to go to afterwards; whoever follows it checks it again."""
    return build_form(
        "user_login",
        action=LOGIN_PATH,
        title="Log in",
        submit="Log in",
        elements=[
            Element(
                "textfield",
                "name",
                "Username",
                required=True,
                max_length=NAME_MAX,
                autocomplete="username",
                autofocus=True,
            ),
            Element(
                "password",
                "password",
                "Password",
                required=True,
                max_length=PASSWORD_MAX,
                autocomplete="current-password",
            ),
            Element("checkbox", "remember", "Remember me", help="For 30 days on this device."),
            Element("hidden", "destination", default=destination),
        ],
    )


def build_logout_form() -> Form:
    return build_form(
        "user_logout", action=LOGOUT_PATH, title="Log out", submit="Log out", elements=[], cancel="/"
    )


def build_password_form(*, has_password: bool) -> Form:
    """Asks for the present password when there is one; a person who came by a one-time link may have none."""
    current = Element(
        "password",
        "current",
        "Current password",
        required=True,
        max_length=PASSWORD_MAX,
        autocomplete="current-password",
    )
    new = Element(
        "password",
        "password",
        "New password",
        help=f"At least {PASSWORD_MIN} characters. A sentence is easier to remember than a puzzle.",
        required=True,
        max_length=PASSWORD_MAX,
        autocomplete="new-password",
    )
    again = Element(
        "password",
        "again",
        "New password again",
        required=True,
        max_length=PASSWORD_MAX,
        autocomplete="new-password",
    )
    return build_form(
        "user_password",
        action=PASSWORD_PATH,
        title="Change your password",
        submit="Change password",
        elements=[*([current] if has_password else []), new, again],
    )


def build_login_link_form(token: str) -> Form:
    """One button: opening the link must not spend it, since programs that scan mail open links too."""
    return build_form(
        "user_login_link",
        action=f"/user/login-link/{token}",
        title="Log in with a one-time link",
        intro="This link logs you in once and then stops working.",
        submit="Log in",
        elements=[],
    )

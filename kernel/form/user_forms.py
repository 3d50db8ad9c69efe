"""The forms of people: log in, log out, change the password, use a one-time link."""

from typing import Final

from kernel.form.build import build_form
from kernel.form.model import Element, Form
from kernel.form.password import ask_new_password, ask_own_password, ask_password
from kernel.user.name import NAME_MAX

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
            ask_password("password", "Password"),
            Element("checkbox", "remember", "Remember me", help="For 30 days on this device."),
            Element("hidden", "destination", default=destination),
        ],
    )


def build_logout_form() -> Form:
    return build_form(
        "user_logout", action=LOGOUT_PATH, title="Log out", submit="Log out", elements=[], cancel="/"
    )


def build_password_form(*, has_password: bool) -> Form:
    return build_form(
        "user_password",
        action=PASSWORD_PATH,
        title="Change your password",
        submit="Change password",
        elements=[*ask_own_password(has_password=has_password), *ask_new_password("New password")],
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

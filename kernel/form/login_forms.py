"""The forms of a login's second step, and of those that set up and take away a second factor."""

from typing import Final

from kernel.form.build import build_form
from kernel.form.model import Element, Form
from kernel.user.entry.code import CODE_MAX
from kernel.user.password import PASSWORD_MAX

LOGIN_CODE_PATH: Final = "/user/login/code"
SECOND_FACTOR_PATH: Final = "/user/second-factor"
SESSIONS_PATH: Final = "/user/sessions"

RECOVERY_HELP: Final = "The six digits that your app shows. Without the app, one of your recovery codes."
_PASSWORD: Final = Element(
    "password",
    "current",
    "Current password",
    required=True,
    max_length=PASSWORD_MAX,
    autocomplete="current-password",
)


def _code(label: str, help_text: str, *, autofocus: bool = False) -> Element:
    return Element(
        "textfield",
        "code",
        label,
        help=help_text,
        required=True,
        max_length=CODE_MAX,
        autocomplete="one-time-code",
        autofocus=autofocus,
    )


def build_login_code_form() -> Form:
    return build_form(
        "user_login_code",
        action=LOGIN_CODE_PATH,
        title="Enter your code",
        submit="Log in",
        elements=[_code("Code", RECOVERY_HELP, autofocus=True)],
        cancel="/user/login",
    )


def build_setup_form(*, has_password: bool) -> Form:
    """Asks for the present password where there is one: a session that was left open must not keep its owner out."""
    code = _code("Code from the app", "The six digits that it shows now.")
    return build_form(
        "second_factor_setup",
        action=SECOND_FACTOR_PATH,
        title="Second factor",
        submit="Turn on",
        elements=[*([_PASSWORD] if has_password else []), code],
    )


def build_disable_form(*, has_password: bool) -> Form:
    return build_form(
        "second_factor_disable",
        action=f"{SECOND_FACTOR_PATH}/disable",
        title="Second factor",
        submit="Turn off",
        elements=[*([_PASSWORD] if has_password else []), _code("Code", RECOVERY_HELP)],
        danger=True,
    )

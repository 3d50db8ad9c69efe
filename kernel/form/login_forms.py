"""The forms of a login's second step, and those that set up, keep and take away a second factor."""

from typing import Final

from kernel.form.build import build_form
from kernel.form.model import Element, Form
from kernel.form.password import ask_own_password
from kernel.user.entry.code import CODE_MAX

LOGIN_CODE_PATH: Final = "/user/login/code"
SECOND_FACTOR_PATH: Final = "/user/second-factor"
RECOVERY_PATH: Final = f"{SECOND_FACTOR_PATH}/recovery-codes"
SESSIONS_PATH: Final = "/user/sessions"

CODE_HELP: Final = "The six digits that it shows now."
RECOVERY_HELP: Final = "The six digits that your app shows. Without the app, one of your recovery codes."


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


def build_begin_form(*, has_password: bool) -> Form:
    """Before the secret is shown: a session that was left open must not keep its owner out."""
    return build_form(
        "second_factor_begin",
        action=f"{SECOND_FACTOR_PATH}/begin",
        title="Second factor",
        submit="Go on",
        elements=ask_own_password(has_password=has_password),
    )


def build_setup_form() -> Form:
    return build_form(
        "second_factor_setup",
        action=SECOND_FACTOR_PATH,
        title="Second factor",
        submit="Turn on",
        elements=[_code("Code from the app", CODE_HELP)],
    )


def build_recovery_form(*, has_password: bool) -> Form:
    """With the app alone: one recovery code that somebody has found must not become ten."""
    return build_form(
        "second_factor_recovery",
        action=RECOVERY_PATH,
        title="New recovery codes",
        submit="Make new codes",
        elements=[*ask_own_password(has_password=has_password), _code("Code from the app", CODE_HELP)],
        cancel=SECOND_FACTOR_PATH,
    )


def build_disable_form(*, has_password: bool) -> Form:
    return build_form(
        "second_factor_disable",
        action=f"{SECOND_FACTOR_PATH}/disable",
        title="Second factor",
        submit="Turn off",
        elements=[*ask_own_password(has_password=has_password), _code("Code", RECOVERY_HELP)],
        danger=True,
    )

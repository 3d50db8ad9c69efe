"""The forms about a forgotten password, a new account and another address."""

from typing import Final

from kernel.form.build import build_form
from kernel.form.model import Element, Form, Option
from kernel.form.password import ask_new_password, ask_password
from kernel.mail.address import ADDRESS_MAX
from kernel.mail_jobs import RegistrationMode
from kernel.user.name import NAME_MAX
from kernel.user.proof.letters import MAIL_PATH, REGISTER_PATH, RESET_PATH, WAITING_PATH

MODE_LABELS: Final[dict[RegistrationMode, str]] = {
    "off": "Nobody: accounts are made by administrators",
    "open": "Everybody with an address of mail",
    "approval": "Everybody, and somebody decides about each",
}


def build_reset_request_form() -> Form:
    return build_form(
        "user_reset_request",
        action=RESET_PATH,
        title="Forgot your password?",
        submit="Send me a link",
        cancel="/user/login",
        elements=[
            Element(
                "textfield",
                "who",
                "Username or mail address",
                required=True,
                max_length=ADDRESS_MAX,
                autocomplete="username",
                autofocus=True,
            )
        ],
    )


def build_reset_form(token: str) -> Form:
    """Opening the link must not spend it, since programs that scan mail open links too."""
    return build_form(
        "user_reset",
        action=f"{RESET_PATH}/{token}",
        title="Choose a new password",
        submit="Set the password",
        elements=ask_new_password("New password"),
    )


def build_register_form() -> Form:
    return build_form(
        "user_register",
        action=REGISTER_PATH,
        title="Create an account",
        submit="Create the account",
        cancel="/user/login",
        elements=[
            Element(
                "textfield",
                "name",
                "Username",
                help="Everybody can see it.",
                required=True,
                max_length=NAME_MAX,
                autocomplete="username",
                autofocus=True,
            ),
            _mail(
                "Mail address", "Only administrators see it. You get a link there, to show that it is yours."
            ),
            *ask_new_password("Password"),
        ],
    )


def build_confirm_registration_form(token: str) -> Form:
    """The password is asked for again: who types it is who registered, and not only who reads the mailbox."""
    return build_form(
        "user_register_confirm",
        action=f"{REGISTER_PATH}/{token}",
        title="Make your account",
        submit="Make my account",
        elements=[
            ask_password(
                "password",
                "Password",
                help_text="The one that you chose when you registered.",
                autofocus=True,
            )
        ],
    )


def build_mail_form() -> Form:
    return build_form(
        "user_mail",
        action=MAIL_PATH,
        title="Change your mail address",
        submit="Send me a link",
        elements=[
            _mail("New mail address", "You get a link there. The address changes when you follow it."),
            ask_password(),
        ],
    )


def build_confirm_mail_form(token: str) -> Form:
    return build_form(
        "user_mail_confirm",
        action=f"{MAIL_PATH}/{token}",
        title="Use this address",
        submit="Use this address",
        cancel=MAIL_PATH,
        elements=[],
    )


def build_registration_form(mode: RegistrationMode) -> Form:
    return build_form(
        "registration_setting",
        action=WAITING_PATH,
        title="Registration",
        submit="Save",
        elements=[
            Element(
                "radios",
                "mode",
                "Who may register",
                required=True,
                default=mode,
                options=tuple(Option(value, label) for value, label in MODE_LABELS.items()),
            )
        ],
    )


def _mail(label: str, help_text: str) -> Element:
    return Element(
        "textfield",
        "mail",
        label,
        help=help_text,
        required=True,
        max_length=ADDRESS_MAX,
        autocomplete="email",
    )

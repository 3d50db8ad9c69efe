"""What the site writes to people about their accounts.

Nothing in a letter to an address that nobody has proven was chosen by a stranger: else the site could be made to send
people whatever somebody likes.
"""

from typing import Final

from kernel.config import Config
from kernel.mail.letter import Letter
from kernel.user.proof.store import Addressee

RESET_PATH: Final = "/user/password-reset"
REGISTER_PATH: Final = "/user/register"
MAIL_PATH: Final = "/user/mail"
WAITING_PATH: Final = "/admin/people/registration"

PASSWORD_RESET: Final = "password_reset"  # noqa: S105  # a kind of mail
REGISTRATION: Final = "registration"
ADDRESS_TAKEN: Final = "address_taken"
NEW_ADDRESS: Final = "new_address"
ADDRESS_NOTICE: Final = "address_notice"
SOMEBODY_WAITS: Final = "somebody_waits"
LET_IN: Final = "let_in"


def write_reset(config: Config, person: Addressee, mail: str, token: str) -> Letter:
    return Letter(
        PASSWORD_RESET,
        mail,
        f"A new password for {name_site(config)}",
        (
            f"Hello {person.name},",
            f"Somebody asked for a new password for your account at {config.site_name}.",
            "If it was you, choose one here:",
        ),
        f"{config.public_url}{RESET_PATH}/{token}",
        "Choose a new password",
        (
            "The link works once, within an hour, and until you ask for another one.",
            "If it was not you, do nothing: your password stays as it is.",
        ),
    )


def write_registration(config: Config, mail: str, token: str) -> Letter:
    return Letter(
        REGISTRATION,
        mail,
        f"Your account at {name_site(config)}",
        (
            f"Somebody, probably you, asked for an account at {config.site_name} with this address.",
            "To make it, follow this link and type the password that you chose:",
        ),
        f"{config.public_url}{REGISTER_PATH}/{token}",
        "Make my account",
        ("The link works once, within a day. If it was not you, do nothing: there will be no account.",),
    )


def write_address_taken(config: Config, mail: str) -> Letter:
    return Letter(
        ADDRESS_TAKEN,
        mail,
        f"Your address at {name_site(config)}",
        (
            f"Somebody tried to use your address for an account at {config.site_name}.",
            "You have an account with it already, and nothing was changed.",
            "If it was you and you forgot your password, choose a new one here:",
        ),
        f"{config.public_url}{RESET_PATH}",
        "I forgot my password",
    )


def write_new_address(config: Config, mail: str, token: str) -> Letter:
    return Letter(
        NEW_ADDRESS,
        mail,
        f"Confirm your address at {name_site(config)}",
        (
            f"Somebody, probably you, wants to use this address for an account at {config.site_name}.",
            "Follow the link in a browser in which you are logged in:",
        ),
        f"{config.public_url}{MAIL_PATH}/{token}",
        "Use this address",
        ("The link works once, within a day. If it was not you, do nothing.",),
    )


def write_address_notice(config: Config, person: Addressee, mail: str) -> Letter:
    """To the old address. The new one is not told: who reads the old mailbox may not be its owner any more."""
    return Letter(
        ADDRESS_NOTICE,
        mail,
        f"Another address for your account at {name_site(config)}",
        (
            f"Hello {person.name},",
            f"Somebody who knows your password wants your account at {config.site_name} to have another address.",
            "It changes once a link that was sent there is followed.",
            "If it was not you, change your password now; that also stops this:",
        ),
        f"{config.public_url}{RESET_PATH}",
        "Choose a new password",
    )


def write_somebody_waits(config: Config, mail: str, name: str) -> Letter:
    return Letter(
        SOMEBODY_WAITS,
        mail,
        f"Somebody wants an account at {name_site(config)}",
        (f"“{name}” has registered at {config.site_name} and waits for an administrator:",),
        f"{config.public_url}{WAITING_PATH}",
        "Look at who waits",
    )


def write_let_in(config: Config, person: Addressee, mail: str) -> Letter:
    return Letter(
        LET_IN,
        mail,
        f"Your account at {name_site(config)} is ready",
        (
            f"Hello {person.name},",
            f"An administrator has let you in. You can log in to {config.site_name} now:",
        ),
        f"{config.public_url}/user/login",
        "Log in",
    )


def name_site(config: Config) -> str:
    """For a subject, which is one line of bounded length."""
    return "".join(c for c in config.site_name if c.isprintable())[:100] or "Trovato"

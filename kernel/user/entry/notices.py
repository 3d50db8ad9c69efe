"""Tells people by mail what was changed about how their account is entered, in case it was not they who did it."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel.config import Config
from kernel.errors import BadInput
from kernel.ledger.run import Effects
from kernel.log import get_logger
from kernel.mail.letter import Letter
from kernel.mail.post import post_letter
from kernel.user.proof.letters import RESET_PATH, name_site
from kernel.user.proof.store import Addressee, find_addressee

log = get_logger(__name__)

NEW_PASSWORD: Final = (
    "Somebody else knows your password then, or reads your mail. Choose another one at once:"  # noqa: S105  # a sentence
)


@dataclass(frozen=True, slots=True)
class Notice:
    """`subject` goes on with the name of the site, and so does `happened`. `otherwise` says what to do about what
    the person did not do; with `has_link` a link follows with which a new password is chosen."""

    kind: str
    subject: str
    happened: str
    otherwise: str
    has_link: bool = True


PASSWORD_CHANGED: Final = Notice(
    "password_changed",
    "A new password was set at",
    "A new password was set for your account at",
    NEW_PASSWORD,
)
ADDRESS_CHANGED: Final = Notice(
    "address_changed",
    "Another address for your account at",
    "From now on, mail about your account goes to another address. This is the last one to this address from",
    "Tell those who run the site at once: whoever has the other address can set a new password.",
    has_link=False,
)
FACTOR_ON: Final = Notice(
    "second_factor_on",
    "The second factor is on at",
    "Logging in takes a code from your phone from now on, besides your password, at",
    "Somebody else knows your password then, and can keep you out. Tell those who run the site at once.",
    has_link=False,
)
FACTOR_OFF: Final = Notice(
    "second_factor_off",
    "The second factor is off at",
    "Your password alone logs you in from now on, without a code from your phone, at",
    "Somebody else knows your password then. Choose another one at once, and turn the second factor on again:",
)
FACTOR_RESET: Final = Notice(
    "second_factor_reset",
    "The second factor was turned off at",
    "Somebody who runs the site has turned your second factor off. Your password alone logs you in from now on at",
    "Ask those who run the site why. To be sure, choose a new password, and turn the second factor on again:",
)
RECOVERY_NEW: Final = Notice(
    "new_recovery_codes",
    "New recovery codes at",
    "New recovery codes were made, and the old ones are good for nothing any more, at",
    "Somebody else knows your password and has your phone then. Choose another password at once:",
)
RECOVERY_USED: Final = Notice(
    "recovery_code_used",
    "A recovery code was used at",
    "One of your recovery codes was used in place of a code from your phone at",
    "Somebody else has your codes and your password then. Choose another password at once, then make new codes:",
)
LINK_USED: Final = Notice(
    "login_link_used",
    "A one-time link was used at",
    "Somebody logged in to your account with a one-time link, which those who run the site had made, at",
    "Ask those who run the site whom they gave it to. To be sure, choose a new password:",
)
TOKEN_MADE: Final = Notice(
    "api_token_made",
    "A new API token for your account at",
    "Somebody who runs the site has made an API token, with which a program acts as you, at",
    "Ask those who run the site why, and revoke it on the page of your API tokens.",
    has_link=False,
)
NOTICES: Final = (
    PASSWORD_CHANGED,
    ADDRESS_CHANGED,
    FACTOR_ON,
    FACTOR_OFF,
    FACTOR_RESET,
    RECOVERY_NEW,
    RECOVERY_USED,
    LINK_USED,
    TOKEN_MADE,
)


def write_notice(config: Config, person: Addressee, mail: str, notice: Notice, detail: str = "") -> Letter:
    """`detail` is a sentence after what happened."""
    link = (f"{config.public_url}{RESET_PATH}", "Choose a new password") if notice.has_link else ("", "")
    happened = f"{notice.happened} {config.site_name}."
    return Letter(
        notice.kind,
        mail,
        f"{notice.subject} {name_site(config)}",
        (
            f"Hello {person.name},",
            f"{happened} {detail}".rstrip(),
            "If you know of it, there is nothing to do.",
            f"If you do not: {notice.otherwise}",
        ),
        *link,
    )


async def tell_person(
    effects: Effects,
    config: Config,
    user_id: UUID,
    notice: Notice,
    *,
    detail: str = "",
    mail: str | None = None,
) -> None:
    """To the address of the account, or to the one that it had, `mail`; nobody is told who has none."""
    person = await find_addressee(effects.conn, user_id)
    address = mail or (person.mail if person is not None else None)
    if person is None or address is None:
        return
    try:
        await post_letter(effects, config, write_notice(config, person, address, notice, detail))
    except BadInput as error:
        # What was done holds all the same.
        log.warning("a notice is not sent, its address is none", user_id=str(user_id), error=error.message)

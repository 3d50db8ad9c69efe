"""The background jobs about mail, and about what people prove by a link in a mail; and what each carries."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from kernel.form_jobs import SubmittedForm
from kernel.job_kind import JobKind

RegistrationMode = Literal["off", "open", "approval"]


@dataclass(frozen=True, slots=True)
class SendMail:
    """What is sent stands in the log of mail, under the id of the job."""


@dataclass(frozen=True, slots=True)
class MailPasswordReset:
    """`who` is a name or an address as it was typed; whether there is such an account is found out by the worker."""

    who: str


@dataclass(frozen=True, slots=True)
class Register:
    """Checked by the form; whether the address is taken is found out by the worker. `pass_hash` is made before
    submitting: a password never stands in the ledger. `form` is for the plugins that want to hear of it."""

    name: str
    mail: str
    pass_hash: str
    form: SubmittedForm | None = None


@dataclass(frozen=True, slots=True)
class ConfirmRegistration:
    """`link_digest` is that of a mailed link, as hexadecimal digits, which is spent."""

    link_digest: str


@dataclass(frozen=True, slots=True)
class DecideRegistration:
    """Of somebody who awaits approval; who is refused is removed."""

    user_id: UUID
    approves: bool


@dataclass(frozen=True, slots=True)
class SetRegistration:
    mode: RegistrationMode


@dataclass(frozen=True, slots=True)
class ChangeMail:
    """The address that the actor of this job wants to have; it takes effect when its link is followed."""

    mail: str


@dataclass(frozen=True, slots=True)
class ConfirmMail:
    """By the actor of this job, whom the link must belong to; as in ConfirmRegistration."""

    link_digest: str


_TOGETHER: Final = "the link, the mails and the end of the job are one transaction"

SEND_MAIL: Final = JobKind(
    "send_mail",
    SendMail,
    "background",
    60,
    # With the longest pauses between them, a server may be away for an hour.
    12,
    "the Message-ID is the same at every try; what a server took just before a crash is sent again",
)
MAIL_PASSWORD_RESET: Final = JobKind("mail_password_reset", MailPasswordReset, "background", 10, 5, _TOGETHER)
REGISTER: Final = JobKind("register", Register, "background", 10, 5, _TOGETHER)
CONFIRM_REGISTRATION: Final = JobKind(
    "confirm_registration", ConfirmRegistration, "interactive", 10, 5, "a link is spent once"
)
DECIDE_REGISTRATION: Final = JobKind(
    "decide_registration",
    DecideRegistration,
    "interactive",
    10,
    5,
    "who does not wait any more is left alone",
)
SET_REGISTRATION: Final = JobKind(
    "set_registration", SetRegistration, "interactive", 10, 5, "sets the same value again"
)
CHANGE_MAIL: Final = JobKind("change_mail", ChangeMail, "background", 10, 5, _TOGETHER)
CONFIRM_MAIL: Final = JobKind("confirm_mail", ConfirmMail, "interactive", 10, 5, "a link is spent once")

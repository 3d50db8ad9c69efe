"""Proves that a submitted form was rendered for this session, and recognises a second press of its button."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import orjson

from kernel.errors import StaleForm
from kernel.form.model import Form, Submission
from kernel.shared.session import Session

TOKEN_FIELD: Final = "form_token"  # noqa: S105  # the name of a field
BUILD_ID_FIELD: Final = "form_build_id"
TOKEN_HEADER: Final = "X-CSRF-Token"  # noqa: S105  # the name of a header
STALE_MESSAGE: Final = (
    "This form was open for too long, or you logged in or out in between. "
    "Nothing was changed, and what you entered is still here: check it and send the form again."
)
BUILD_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")


def build_form_token(session: Session, form_id: str) -> str:
    """The same for every rendering within one session, so that the back button and several tabs work."""
    return hmac.new(session.secret.encode(), form_id.encode(), hashlib.sha256).hexdigest()


def require_form_token(session: Session | None, form_id: str, token: str) -> None:
    """Raises StaleForm when the token is missing, or belongs to another session or form."""
    if session is None:
        raise StaleForm(STALE_MESSAGE, detail=f"form {form_id}: no session")
    # A text with other than ASCII characters makes compare_digest raise; bytes compare whatever was sent.
    sent = token.encode(errors="replace")
    if not hmac.compare_digest(sent, build_form_token(session, form_id).encode()):
        raise StaleForm(STALE_MESSAGE, detail=f"form {form_id}: {'wrong' if token else 'missing'} token")


def build_id() -> str:
    """Names one rendering of a form."""
    return secrets.token_urlsafe(16)


def read_build_id(submitted: Mapping[str, Sequence[str]]) -> str:
    """The build id that was sent, or "" when none was or it is not one of ours."""
    sent = submitted.get(BUILD_ID_FIELD) or [""]
    return sent[-1] if BUILD_ID.fullmatch(sent[-1]) else ""


def build_dedupe_key(
    form: Form, actor_id: UUID, submission: Submission, session: Session | None = None
) -> str | None:
    """Equal for two presses of one button, different for a corrected second submit; None without a build id, or where
    a password was typed and there is no session.

    A digest of a password, next to a build id that is no secret, could be guessed: the session's secret hides it.
    """
    if not submission.build_id:
        return None
    values = dict(submission.values)
    for name in [element.name for element in form.inputs() if element.kind == "password"]:
        password = values.pop(name, None)
        if not password:
            continue
        if session is None:
            return None
        text = f"{submission.build_id} {name} {password}".encode(errors="surrogatepass")
        values[name] = hmac.new(session.secret.encode(), text, hashlib.sha256).hexdigest()
    parts = [form.id, form.action, str(actor_id), submission.build_id, values]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()

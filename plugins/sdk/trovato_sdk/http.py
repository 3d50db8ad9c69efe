"""Other servers, from taps that run in the background."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trovato_sdk.kernel import Err, http_api
from trovato_sdk.refusal import RefusedError, read_refusal


class FetchError(RefusedError):
    """There is no answer. `code` is "refused-capability" (no host of the manifest, or an address of a private network),
    "bad-payload", "unreachable", "timeout", "too-large", "too-many", "not-available", "host-error"."""


@dataclass(frozen=True, slots=True)
class Response:
    """`status` is any, also 404, 500 and those of redirects. The names of `headers` are in small letters; of several
    with one name, the values stand in one, with commas. `body` is as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        """From 200 to 299."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8, with a sign in place of what is none."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError when the body is no JSON."""
        return json.loads(self.body)


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    timeout_s: float = 10.0,
) -> Response:
    """Ask another server, whose host stands in `hosts` of the manifest, over https.

    Only taps that run in the background may, and none that comes before a save. `body` has up to 100,000 bytes, the
    answer up to a million. Redirects are not followed. Raises FetchError when there is no answer.
    """
    request: dict[str, Any] = {"method": method, "url": url, "timeout_s": timeout_s}
    if headers:
        request["headers"] = dict(headers)
    if body is not None:
        request["body"] = body
    text = json.dumps(request, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        answer: dict[str, Any] = json.loads(http_api.fetch(text))
    except Err as refusal:
        raise FetchError(*read_refusal(refusal)) from None
    sent: str = answer["body"]
    raw = b64decode(sent) if answer.get("is_base64") else sent.encode()
    return Response(answer["status"], answer["headers"], raw)

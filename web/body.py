"""Bounds what a request may carry: by its address, and also where it does not say beforehand how much that is."""

from typing import Any, Final

from quart import Quart, Request
from quart.wrappers.request import Body
from werkzeug.datastructures import Headers

from kernel.errors import TooLarge

FORM_WITH_FILE: Final = "multipart/form-data"
# Some people have slow lines.
UPLOAD_TIMEOUT_S: Final = 1_800
# So many times what is allowed may come before the sender is cut off.
PATIENCE: Final = 4
MEGABYTE: Final = 1_000_000


class CountedBody(Body):
    """Counts what has come; Quart's own looks at what was not read yet.

    What is too much is not kept, and is refused when the sender has finished: a browser that is answered in the middle
    of sending shows that the connection was lost, and not the answer.
    """

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(None, None)
        self._limit = max_content_length
        self._seen = 0
        self._is_over = False
        self._note(expected_content_length or 0)

    async def __anext__(self) -> bytes:
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            if self._must_raise is not None:
                raise self._must_raise from None
            raise

    def append(self, data: bytes) -> None:
        self._seen += len(data)
        self._note(self._seen)
        if not self._is_over:
            super().append(data)

    def set_complete(self) -> None:
        if self._is_over:
            self._must_raise = TooLarge(
                f"What you sent is larger than this site accepts: {(self._limit or 0) / MEGABYTE:g} MB is the most."
            )
        super().set_complete()

    def _note(self, size: int) -> None:
        if self._limit is None or size <= self._limit:
            return
        self._is_over = True
        self._data.clear()
        if size > PATIENCE * self._limit:
            self.set_complete()


def bound_bodies(app: Quart, *, body_bytes: int, upload_bytes: int, upload_paths: frozenset[str]) -> None:
    """A form with a file may be larger than others, where one is expected. Whether the visitor may send it is known
    only later, and until then a request waits with what has come."""

    class BoundedRequest(Request):
        body_class = CountedBody

        def __init__(
            self,
            method: str,
            scheme: str,
            path: str,
            query_string: bytes,
            headers: Headers,
            *more: Any,
            **named: Any,
        ) -> None:
            is_upload = path in upload_paths and headers.get("Content-Type", "").startswith(FORM_WITH_FILE)
            limit = upload_bytes if is_upload else body_bytes
            named["max_content_length"] = limit
            if is_upload:
                named["body_timeout"] = UPLOAD_TIMEOUT_S
            super().__init__(method, scheme, path, query_string, headers, *more, **named)
            self.max_content_length = limit

    app.request_class = BoundedRequest

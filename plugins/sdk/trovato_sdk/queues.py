"""Work for later, on queues that the plugin declares in `queue_info` and works in `queue_worker`."""

import json
from typing import Any

from trovato_sdk.kernel import Err, queue_api


class PushError(Exception):
    """The kernel did not take the work; `code` says why: "no-such-queue", "queue-full", "too-large", "bad-payload",
    "not-available", "host-error"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def push(queue: str, data: Any) -> str:
    """Put `data`, anything that JSON can hold, on the plugin's own queue; the id of the job that will hand it to
    `queue_worker`.

    At most 100,000 bytes of JSON, and 10,000 pieces that wait at a time. Raises PushError when the kernel does not take
    it, TypeError or ValueError for what is no JSON.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return queue_api.push(queue, text)
    except Err as refusal:
        told = json.loads(refusal.value)
        raise PushError(told["code"], told["message"]) from None

"""How the kernel says no."""

import json

from trovato_sdk.kernel import Err


class RefusedError(Exception):
    """The kernel did not do it; `code` says why in a word, and `message` in a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def read_refusal(refusal: Err) -> tuple[str, str]:
    """Code and message."""
    told = json.loads(refusal.value)
    return told["code"], told["message"]

"""Which other plugins are there, and the functions that they offer."""

import json
from typing import Any

from trovato_sdk.kernel import Err, plugin_api
from trovato_sdk.refusal import RefusedError, read_refusal


class CallError(RefusedError):
    """`code` is "not-found" (no such plugin is enabled, or it offers no such function), "failed" (it raised, or used up
    its budget), "too-deep" (calls in a circle), "too-large", "bad-payload", "host-error"."""


def exists(name: str) -> bool:
    """Whether a plugin of that name is enabled."""
    return plugin_api.plugin_exists(name)


def call(plugin: str, function: str, data: Any = None) -> Any:
    """What the function answers that the other plugin offers (`@offer`); `data` is anything that JSON can hold.

    It runs at once, for the same user, with its own plugin's rights and budget. Raises CallError, and TypeError or
    ValueError for what is no JSON.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return json.loads(plugin_api.invoke(plugin, function, text))
    except Err as refusal:
        raise CallError(*read_refusal(refusal)) from None

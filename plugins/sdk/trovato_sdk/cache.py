"""Values that are worth computing once, in a corner of the cache that is the plugin's own.

A value that was computed from what the kernel told of a user is found again by that user alone, and nobody has to say
so. The kernel also forgets it when data changes that it told the plugin before. Tags are for the rest.
"""

import json
from collections.abc import Iterable
from typing import Any

from trovato_sdk.kernel import Err, cache_api
from trovato_sdk.refusal import RefusedError, read_refusal


class CacheError(RefusedError):
    """`code` is one of "bad-payload", "too-large", "not-available", "host-error"."""


def get(bin: str, key: str) -> Any:  # noqa: A002  # the kernel's own word
    """What was set before under the key of that bin; None when there is nothing, or nothing any more."""
    found = cache_api.get(bin, key)
    return None if found is None else json.loads(found)


def set(bin: str, key: str, value: Any, tags: Iterable[str] = ()) -> bool:  # noqa: A001, A002  # it is read as cache.set
    """Keep `value`, anything that JSON can hold, for an hour at most, and until one of the tags is invalidated.

    At most 100,000 bytes of JSON and 50 tags. In taps of a request alone. False when the kernel could not keep it, for
    example because data that it was computed from has changed meanwhile. Raises CacheError, and TypeError or ValueError
    for what is no JSON.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return cache_api.set(bin, key, text, json.dumps(list(tags)))
    except Err as refusal:
        raise CacheError(*read_refusal(refusal)) from None


def invalidate(tag: str) -> None:
    """Forget everything that was set under the tag, for all users; in a job, once the job is done. Raises
    CacheError."""
    try:
        cache_api.invalidate_tag(tag)
    except Err as refusal:
        raise CacheError(*read_refusal(refusal)) from None

"""Reads the result of a job that refused what it was asked for."""

from collections.abc import Mapping
from typing import Any

from kernel.errors import Conflict, Forbidden, Invalid, TrovatoError


def find_refusal(result: Mapping[str, Any]) -> TrovatoError | None:
    """The error that every door answers in its own form; None for a job that did what it was asked for."""
    match result.get("outcome"):
        case "invalid":
            return Invalid(result.get("problems", {}))
        case "conflict":
            return Conflict(result.get("message", "Somebody else changed this first."))
        case "forbidden":
            return Forbidden(result.get("message", "You do not have permission to do this."))
        case _:
            return None

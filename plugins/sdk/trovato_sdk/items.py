"""Any item of the site: loading it, and saving it, with the rights of the user for whom the plugin runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trovato_sdk.item import Field, ItemData, Value
from trovato_sdk.kernel import Err, item_api
from trovato_sdk.refusal import RefusedError, read_refusal


class ItemError(RefusedError):
    """`code` is "refused-capability" (the manifest does not ask for this item type), "not-found", "forbidden" (the user
    may not save this), "bad-payload", "too-deep" (saves that lead to saves), "not-available", "host-error"."""


@dataclass(frozen=True, slots=True)
class Saved:
    """`id` is the item's, and `job_id` that of the job which saves it after the tap."""

    id: str
    job_id: str


def load(item_id: str) -> ItemData | None:
    """The item; None when there is none with this id, or the user may not see it.

    Its type must be one that the plugin defines, or stand in `read_types` of the manifest. An item that is loaded again
    in the same request costs nothing. Setting its fields changes nothing: see `save`. Raises ItemError.
    """
    try:
        text = item_api.load(item_id)
    except Err as refusal:
        code, message = read_refusal(refusal)
        if code == "not-found":
            return None
        raise ItemError(code, message) from None
    data: dict[str, Any] = json.loads(text)
    return ItemData(data)


def save(
    *,
    id: str | None = None,  # noqa: A002  # as it stands in an item
    type: str | None = None,  # noqa: A002  # as above
    title: str | None = None,
    fields: Mapping[str, Field | Value] | None = None,
    status: int | None = None,
    promote: bool | None = None,
    sticky: bool | None = None,
    log_message: str | None = None,
) -> Saved:
    """Change the item with this `id`, or make one of this `type` with this `title`.

    What is not given stays as it is. A field is `{"value": …, "format": …}`, or a bare value, which keeps the format;
    None empties it. The item's type must be one that the plugin defines, or stand in `write_types` of the manifest.
    The save is a job of its own, with the checks and taps of every save: it happens after this tap, and not at all
    when somebody else saves the item meanwhile. Raises ItemError, and TypeError or ValueError for what is no JSON.
    """
    given = {
        "id": id,
        "type": type,
        "title": title,
        "status": status,
        "promote": promote,
        "sticky": sticky,
        "log_message": log_message,
    }
    data: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if fields is not None:
        data["fields"] = {
            name: field if isinstance(field, Mapping) else {"value": field} for name, field in fields.items()
        }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        answer: dict[str, str] = json.loads(item_api.save(text))
    except Err as refusal:
        raise ItemError(*read_refusal(refusal)) from None
    return Saved(answer["id"], answer["job_id"])

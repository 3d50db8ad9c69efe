"""Tells another server of every item that is saved or deleted, signed, so that it knows who is telling."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from trovato_sdk import ItemData, QueueDefinition, http, queues, tap, variables


@tap
def queue_info() -> list[QueueDefinition]:
    return [QueueDefinition("deliveries", "Webhooks", max_attempts=10, timeout_s=15)]


@tap
def item_insert(item: ItemData) -> None:
    announce("item.created", item)


@tap
def item_update(item: ItemData) -> None:
    announce("item.changed", item)


@tap
def item_delete(item: ItemData) -> None:
    announce("item.deleted", item)


def announce(event: str, item: ItemData) -> None:
    """Only onto the queue: a save is not to wait for a stranger, nor to fail when he does."""
    if variables.get("webhooks_url"):
        told = {"id": item.id, "type": item.type, "title": item.title, "is_published": item.is_published}
        queues.push("deliveries", {"event": event, "item": told})


@tap
def queue_worker(data: dict[str, Any], job_id: str) -> None:
    """What raises is tried again, ten times within an hour; after that the job is a dead letter."""
    url, secret = variables.get("webhooks_url"), variables.get("webhooks_secret")
    if not url:
        return  # Nobody is to be told any more.
    if not secret:
        raise RuntimeError("webhooks_secret is not set, and nothing is sent without a signature")
    body = json.dumps(data, ensure_ascii=False)
    timestamp = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": job_id,  # the same at every try, so that the other server can tell a second one
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": f"v1={sign(secret, f'{job_id}.{timestamp}.{body}')}",
    }
    answer = http.fetch(url, method="POST", headers=headers, body=body)
    if not answer.is_ok:
        raise RuntimeError(f"the other server answered {answer.status}")


def sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()

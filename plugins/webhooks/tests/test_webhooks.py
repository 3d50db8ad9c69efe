"""The plugin in an ordinary Python, with a stand-in for the kernel."""

import hashlib
import hmac
import json

import pytest
import webhooks
from trovato_sdk.testing import TestKernel

URL = "https://events.example.com/trovato"
SETTINGS = {"webhooks_url": URL, "webhooks_secret": "s3cret"}
ITEM = {
    "id": "0190a000-0000-7000-8000-000000000001",
    "type": "blog",
    "title": "Grüße",
    "status": 1,
    "fields": {},
}
TOLD = {"id": ITEM["id"], "type": "blog", "title": "Grüße", "is_published": True}


@pytest.mark.parametrize(
    ("tap", "event"),
    [("item_insert", "item.created"), ("item_update", "item.changed"), ("item_delete", "item.deleted")],
)
def test_what_happens_to_an_item_goes_onto_the_queue(tap, event):
    with TestKernel(variables=SETTINGS, queues=["deliveries"]) as kernel:
        kernel.call(webhooks, tap, item=ITEM)
    assert kernel.pushed == [("deliveries", {"event": event, "item": TOLD})]


def test_without_a_target_nothing_is_put_there():
    with TestKernel(queues=["deliveries"]) as kernel:
        kernel.call(webhooks, "item_insert", item=ITEM)
    assert kernel.pushed == []


def deliver(kernel, status=204):
    """Hand one piece of work over; the request that was sent."""
    kernel.answers["POST", URL] = (status, {}, "")
    data = {"event": "item.created", "item": TOLD}
    kernel.call(webhooks, "queue_worker", queue="deliveries", data=data, attempt=1, job_id="job-7")
    return kernel.fetched[-1] if kernel.fetched else None


def test_a_delivery_is_signed_over_its_id_its_time_and_its_body():
    with TestKernel(variables=SETTINGS) as kernel:
        sent = deliver(kernel)
    headers = sent["headers"]
    signed = f"job-7.{headers['Webhook-Timestamp']}.{sent['body']}"
    digest = hmac.new(b"s3cret", signed.encode(), hashlib.sha256).hexdigest()
    assert headers["Webhook-Signature"] == f"v1={digest}"
    assert headers["Webhook-Id"] == "job-7"
    assert json.loads(sent["body"]) == {"event": "item.created", "item": TOLD}


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_an_answer_that_is_no_yes_is_tried_again(status):
    with TestKernel(variables=SETTINGS) as kernel, pytest.raises(Exception, match=f"answered {status}"):
        deliver(kernel, status)


def test_nothing_is_sent_without_a_signature():
    with TestKernel(variables={"webhooks_url": URL}) as kernel, pytest.raises(Exception, match="not set"):
        deliver(kernel)
    assert kernel.fetched == []


def test_what_waits_when_the_target_is_taken_away_is_dropped():
    with TestKernel() as kernel:
        assert deliver(kernel) is None

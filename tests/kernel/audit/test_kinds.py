"""Every kind of job is told to the audit log, or excused by name; and no secret of its payload is."""

from dataclasses import fields, is_dataclass
from uuid import UUID, uuid4

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.audit.kinds import DESCRIPTIONS, REFUSALS, describe_job
from kernel.jobs import JOB_KINDS
from tests.kernel.ledger.test_payload import PAYLOADS

# Why the end of these jobs is no entry of the log.
EXCUSED = {
    "save_item": "items are noted where they are written",
    "delete_item": "items are noted where they are deleted",
    "index_item": "derived from items",
    "run_item_taps": "what plugins change in items is noted where it is written",
    "run_form_taps": "as above",
    "work_plugin_queue": "as above",
    "apply_plugin_writes": "a plugin's own rows are its own affair; items are noted where they are written",
    "run_cron": "cron has a history of its own",
    "note_plugin_failures": "failures have a list of their own",
    "note_token_use": "a time, once an hour",
    "note_code_use": "a time, with each login that has its own entry",
    "send_mail": "mail has a log of its own",
    "mail_password_reset": "nothing changes before the link is followed, and then it is a password",
    "change_mail": "noted where it is asked for by somebody with an account",
    "register": "nothing changes before the link is followed",
}
SECRETS = {"pass_hash", "digest", "link_digest", "values", "keeps_session", "replaces"}


def test_every_kind_of_job_is_told_or_excused():
    assert set(DESCRIPTIONS) | set(EXCUSED) == set(JOB_KINDS)
    assert not set(DESCRIPTIONS) & set(EXCUSED)


def list_secrets(payload):
    for field in fields(payload):
        value = getattr(payload, field.name)
        if field.name in SECRETS:
            yield from value.values() if isinstance(value, dict) else [value]
        elif is_dataclass(value):
            yield from list_secrets(value)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_what_is_told_is_json_and_holds_no_secret(data):
    kind = data.draw(st.sampled_from(sorted(DESCRIPTIONS)))
    carried = JOB_KINDS[kind].payload
    payload = data.draw(PAYLOADS.get(carried, st.from_type(carried)))
    person = str(uuid4())
    result = {"outcome": "saved", "ids": [person], "name": "b", "title": "c", "user_id": person}
    for entry in describe_job(kind, payload, result):
        assert entry.action.count(".") == 1
        # Of an account that is gone only its id tells which it was.
        assert not entry.action.startswith("account.") or UUID(entry.subject_id)
        told = orjson.dumps(dict(entry.details)).decode()
        for secret in list_secrets(payload):
            # Shorter texts are found by chance.
            assert not isinstance(secret, str) or len(secret) < 6 or secret not in told
    for outcome in REFUSALS:
        refused = describe_job(kind, payload, {"outcome": outcome, "message": "No."})
        is_told = outcome == "forbidden" or kind == "change_plugin"
        assert {entry.action.partition(".")[2] for entry in refused} <= ({"refused"} if is_told else set())
        assert all(entry.details == {"asked": entry.details["asked"], "reason": "No."} for entry in refused)

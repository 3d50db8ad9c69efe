"""A payload comes back as it was sent, and what PostgreSQL cannot store is refused by name."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import BadInput
from kernel.form_jobs import SubmittedForm
from kernel.jobs import (
    JOB_KINDS,
    ApplyPluginWrites,
    ChangePlugin,
    DeleteItem,
    IndexItem,
    NewCronKey,
    NotePluginFailures,
    PluginFailures,
    PluginWrite,
    RecordLogin,
    RetryJob,
    RunBatch,
    RunCron,
    RunItemTaps,
    SaveItem,
    SetPassword,
    SetPluginSettings,
    WorkPluginQueue,
)
from kernel.ledger.payload import decode_payload, encode_payload
from kernel.login_jobs import (
    DisableSecondFactor,
    EnableSecondFactor,
    NoteCodeUse,
    NoteLoginLink,
    ReplaceRecoveryCodes,
    ResetSecondFactor,
    SpendRecoveryCode,
)
from kernel.mail_jobs import (
    ChangeMail,
    ConfirmMail,
    ConfirmRegistration,
    DecideRegistration,
    MailPasswordReset,
    Register,
    SendMail,
    SetRegistration,
)
from kernel.person_jobs import (
    ChangePeople,
    ChangeRole,
    DeleteApiToken,
    NoteTokenUse,
    PermissionGrant,
    SaveAccount,
    SaveApiToken,
    SavePerson,
    SetPermissions,
)
from kernel.site_jobs import NoteLoginFailure, SetMaintenance, SetRateLimits

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(texts, json_values, max_size=4)
ids = st.uuids()
times = st.datetimes(timezones=st.just(UTC))
PAYLOADS = {
    SaveItem: st.builds(
        SaveItem,
        item_id=ids,
        type=texts,
        title=texts,
        fields=st.dictionaries(texts, objects, max_size=4),
        status=st.integers(0, 1),
        log_message=texts,
        expected_revision_id=st.none() | ids,
    ),
    SubmittedForm: st.builds(SubmittedForm, texts, objects),
    DeleteItem: st.builds(DeleteItem, ids, ids),
    SavePerson: st.builds(
        SavePerson,
        ids,
        texts,
        texts,
        st.none() | texts,
        st.booleans(),
        st.booleans(),
        st.lists(ids, max_size=3),
        st.none() | texts,
    ),
    SaveAccount: st.builds(SaveAccount, ids, texts),
    ChangePeople: st.builds(
        ChangePeople, st.sampled_from(["block", "add_role"]), st.lists(ids, max_size=3), st.none() | ids
    ),
    ChangeRole: st.builds(ChangeRole, st.sampled_from(["add", "rename", "delete"]), ids, texts),
    SetPermissions: st.builds(
        SetPermissions,
        texts,
        st.lists(st.builds(PermissionGrant, ids, texts), max_size=2),
        st.lists(st.builds(PermissionGrant, ids, texts), max_size=2),
    ),
    SaveApiToken: st.builds(
        SaveApiToken, ids, ids, texts, texts, times, st.none() | st.lists(texts, max_size=2)
    ),
    DeleteApiToken: st.builds(DeleteApiToken, ids, ids),
    NoteTokenUse: st.builds(NoteTokenUse, ids, times),
    SetPluginSettings: st.builds(
        SetPluginSettings, texts, st.dictionaries(texts, st.none() | texts, max_size=3)
    ),
    NotePluginFailures: st.builds(
        NotePluginFailures,
        st.lists(
            st.builds(
                PluginFailures,
                *(texts for _ in range(7)),
                calls=st.integers(0, 9),
                failures=st.integers(0, 9),
                recording=st.none() | objects,
            ),
            max_size=2,
        ),
    ),
    ChangePlugin: st.builds(
        ChangePlugin,
        st.sampled_from(["install", "enable", "disable", "uninstall", "retry"]),
        texts,
        texts,
        texts,
        st.booleans(),
        st.booleans(),
    ),
    IndexItem: st.builds(IndexItem, st.lists(ids, max_size=3)),
    RunItemTaps: st.builds(RunItemTaps, texts, st.lists(objects, max_size=3)),
    NoteCodeUse: st.builds(NoteCodeUse, ids, st.integers(0, 2**40)),
    ReplaceRecoveryCodes: st.builds(ReplaceRecoveryCodes, ids, st.lists(texts, max_size=3)),
    ResetSecondFactor: st.builds(ResetSecondFactor, ids),
    RecordLogin: st.builds(RecordLogin, ids, times),
    NoteLoginFailure: st.builds(NoteLoginFailure, st.sampled_from(["refused", "locked"]), st.none() | ids),
    SetRateLimits: st.builds(SetRateLimits, objects),
    SetMaintenance: st.builds(SetMaintenance, st.booleans(), texts),
    RunCron: st.builds(RunCron, times, texts),
    NewCronKey: st.builds(NewCronKey),
    SetPassword: st.builds(SetPassword, ids, texts),
    EnableSecondFactor: st.builds(EnableSecondFactor, ids, texts),
    DisableSecondFactor: st.builds(DisableSecondFactor, ids),
    NoteLoginLink: st.builds(NoteLoginLink, ids),
    SpendRecoveryCode: st.builds(SpendRecoveryCode, ids, texts),
    SendMail: st.builds(SendMail),
    MailPasswordReset: st.builds(MailPasswordReset, texts),
    Register: st.builds(Register, texts, texts, texts, st.none() | st.builds(SubmittedForm, texts, objects)),
    ConfirmRegistration: st.builds(ConfirmRegistration, texts),
    DecideRegistration: st.builds(DecideRegistration, ids, st.booleans()),
    SetRegistration: st.builds(SetRegistration, st.sampled_from(["off", "open", "approval"])),
    ChangeMail: st.builds(ChangeMail, texts),
    ConfirmMail: st.builds(ConfirmMail, texts),
    RetryJob: st.builds(RetryJob, ids),
    WorkPluginQueue: st.builds(WorkPluginQueue, texts, texts, objects),
    ApplyPluginWrites: st.builds(
        ApplyPluginWrites,
        st.lists(st.builds(PluginWrite, st.integers(0, 9), texts, objects), max_size=3),
    ),
    RunBatch: st.builds(RunBatch, texts, objects),
}


@dataclass(frozen=True)
class Inner:
    count: int


@dataclass(frozen=True)
class Outer:
    inner: Inner
    names: list[str]
    ratio: float = 1.0
    at: datetime | None = None
    by_name: dict[str, Inner] = field(default_factory=dict)


def pass_through_json(payload):
    return decode_payload(type(payload), orjson.loads(orjson.dumps(encode_payload(payload))))


@given(st.one_of(*PAYLOADS.values()))
def test_every_kind_of_payload_comes_back_equal(payload):
    assert pass_through_json(payload) == payload


def test_every_kind_of_payload_was_tried():
    assert set(PAYLOADS) == {kind.payload for kind in JOB_KINDS.values()}


def test_dataclasses_lists_and_times_inside_a_payload_come_back_equal():
    at = datetime(2030, 1, 2, tzinfo=UTC)
    payload = Outer(Inner(1), ["a", "b"], 2.5, at, {"x": Inner(2)})
    assert pass_through_json(payload) == payload


@pytest.mark.parametrize(
    ("payload", "field_name"),
    [
        pytest.param(RunItemTaps("a\x00b", []), "tap", id="nul"),
        pytest.param(RunItemTaps("a\ud800b", []), "tap", id="lone-surrogate"),
        pytest.param(
            RunItemTaps("t", [{"fields": {"body": ["ok", "\x00"]}}]), "items.fields.body", id="deep-nul"
        ),
        pytest.param(
            RunItemTaps("t", [{"fields": {"body": "\udfff"}}]), "items.fields.body", id="deep-surrogate"
        ),
        pytest.param(RunItemTaps("t", [{"a\x00": 1}]), "items", id="nul-in-a-key"),
        pytest.param(RunItemTaps("t", [{"a\ud800": 1}]), "items", id="surrogate-in-a-key"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_by_name(payload, field_name):
    with pytest.raises(BadInput) as refused:
        encode_payload(payload)
    assert refused.value.message == (
        f"{field_name} contains a character that cannot be stored. Remove it and try again."
    )


@pytest.mark.parametrize("text", [r"\u0000", r"a\\u0000", "\U0001f600", "\u2028", "\uffff"])
def test_text_that_only_looks_forbidden_passes(text):
    payload = RunItemTaps(text, [{text: text}])
    assert pass_through_json(payload) == payload


def test_a_payload_that_is_no_json_for_another_reason_is_a_mistake_of_the_program():
    with pytest.raises(orjson.JSONEncodeError):
        encode_payload(RunItemTaps("t", [{"x": object()}]))


GOOD = {"inner": {"count": 1}, "names": []}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param([], "it is not an object", id="not-an-object"),
        pytest.param({"names": []}, "inner is missing", id="missing"),
        pytest.param({"inner": {}, "names": []}, "inner.count is missing", id="missing-inside"),
        pytest.param({**GOOD, "more": 1}, "it has unknown fields (more)", id="unknown"),
        pytest.param({**GOOD, "inner": {"count": True}}, "inner.count is not of type int", id="bool-for-int"),
        pytest.param({**GOOD, "inner": {"count": "1"}}, "inner.count is not of type int", id="text-for-int"),
        pytest.param({**GOOD, "names": "ab"}, "names is not a list", id="text-for-list"),
        pytest.param({**GOOD, "names": [1]}, "names is not of type str", id="wrong-in-list"),
        pytest.param({**GOOD, "at": "soon"}, "at is not a datetime", id="not-a-time"),
        pytest.param({**GOOD, "at": 1}, "at is not text", id="number-for-time"),
        pytest.param({**GOOD, "ratio": "1"}, "ratio is not a number", id="text-for-number"),
        pytest.param({**GOOD, "by_name": {"x": 1}}, "by_name.x is not an object", id="wrong-in-mapping"),
    ],
)
def test_json_that_does_not_fit_is_refused_without_its_values(data, reason):
    with pytest.raises(BadInput) as refused:
        decode_payload(Outer, data)
    assert refused.value.message == f"The job's payload does not fit Outer: {reason}."


def test_an_id_that_is_none_is_refused():
    with pytest.raises(BadInput, match="item_ids is not a UUID"):
        decode_payload(IndexItem, {"item_ids": ["secret"]})


@dataclass(frozen=True)
class Ambiguous:
    value: int | str


def test_a_payload_type_whose_json_would_be_ambiguous_is_a_mistake_of_the_program():
    with pytest.raises(TypeError, match="no other union"):
        decode_payload(Ambiguous, {"value": 1})


def test_a_number_may_be_whole_where_a_fraction_is_allowed():
    assert decode_payload(Outer, {**GOOD, "ratio": 2}) == Outer(Inner(1), [], 2.0)
    assert decode_payload(IndexItem, {"item_ids": [str(UUID(int=1))]}) == IndexItem([UUID(int=1)])

"""What jobs about people tell the audit log.

Names of accounts and roles are added where the entry is written.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from kernel.audit.model import Entry
from kernel.ids import parse_uuid
from kernel.jobs import RECORD_LOGIN, SET_PASSWORD, RecordLogin, SetPassword
from kernel.login_jobs import (
    DISABLE_SECOND_FACTOR,
    ENABLE_SECOND_FACTOR,
    NOTE_LOGIN_LINK,
    REPLACE_RECOVERY_CODES,
    RESET_SECOND_FACTOR,
    SPEND_RECOVERY_CODE,
    DisableSecondFactor,
    EnableSecondFactor,
    NoteLoginLink,
    ReplaceRecoveryCodes,
    ResetSecondFactor,
    SpendRecoveryCode,
)
from kernel.mail_jobs import (
    CONFIRM_MAIL,
    CONFIRM_REGISTRATION,
    DECIDE_REGISTRATION,
    SET_REGISTRATION,
    DecideRegistration,
    SetRegistration,
)
from kernel.person_jobs import (
    CHANGE_PEOPLE,
    CHANGE_ROLE,
    DELETE_API_TOKEN,
    SAVE_ACCOUNT,
    SAVE_API_TOKEN,
    SAVE_PERSON,
    SET_PERMISSIONS,
    ChangePeople,
    ChangeRole,
    DeleteApiToken,
    SaveAccount,
    SaveApiToken,
    SavePerson,
    SetPermissions,
)
from kernel.site_jobs import NOTE_LOGIN_FAILURE, NoteLoginFailure

# Of those for whom one job did nothing, so many are told.
REASONS_MAX: Final = 20

Result: TypeAlias = Mapping[str, Any]
# Is given the payload and the result of the job.
Describe: TypeAlias = Callable[[Any, Result], Sequence[Entry]]


def _account(verb: str, user_id: UUID | None, label: str = "", /, **details: Any) -> list[Entry]:
    return [Entry(f"account.{verb}", "account", str(user_id or ""), label, details)]


def _login(payload: RecordLogin, _result: Result) -> Sequence[Entry]:
    return [Entry("login.success", "account", str(payload.user_id))]


def _login_failure(payload: NoteLoginFailure, _result: Result) -> Sequence[Entry]:
    return [Entry(f"login.{payload.reason}", "account", str(payload.user_id or ""))]


def _password(payload: SetPassword, _result: Result) -> Sequence[Entry]:
    return _account("password", payload.user_id) if not payload.is_rehash else []


def _person(payload: SavePerson, result: Result) -> Sequence[Entry]:
    """Roles as they were called then; an address is not told, only that it is another one."""
    before = {key: result[key] for key in ("name_before", "mail_changed") if result.get(key)}
    return _account(
        "change" if payload.seen else "create",
        payload.user_id,
        payload.name,
        active=payload.is_active,
        administrator=payload.is_admin,
        roles=result.get("roles", [str(role_id) for role_id in payload.role_ids]),
        password_set=payload.pass_hash is not None,
        **before,
    )


def _own_account(payload: SaveAccount, _result: Result) -> Sequence[Entry]:
    return _account("change", payload.user_id, timezone=payload.timezone)


def _people(payload: ChangePeople, result: Result) -> Sequence[Entry]:
    """Also of those who were left alone, and why."""
    details = {"role": result.get("role") or str(payload.role_id)} if payload.role_id is not None else {}
    changed = result.get("ids", map(str, payload.user_ids))
    entries = [Entry(f"account.{payload.change}", "account", user_id, details=details) for user_id in changed]
    if reasons := list(result.get("refused", ()))[:REASONS_MAX]:
        told = {"asked": payload.change, "reasons": reasons}
        entries.append(Entry("account.refused", "account", details=told))
    return entries


def _role(payload: ChangeRole, _result: Result) -> Sequence[Entry]:
    return [Entry(f"role.{payload.change}", "role", str(payload.role_id), payload.name)]


def _permissions(payload: SetPermissions, _result: Result) -> Sequence[Entry]:
    """One for each role that may now do more, or less."""
    roles = dict.fromkeys(grant.role_id for grant in (*payload.grants, *payload.revokes))
    return [
        Entry(
            "role.permissions",
            "role",
            str(role_id),
            details={
                "granted": sorted(grant.permission for grant in payload.grants if grant.role_id == role_id),
                "revoked": sorted(grant.permission for grant in payload.revokes if grant.role_id == role_id),
            },
        )
        for role_id in roles
    ]


def _token(payload: SaveApiToken, _result: Result) -> Sequence[Entry]:
    return _account(
        "token_create",
        payload.user_id,
        token=str(payload.token_id),
        label=payload.label,
        expires=payload.expires.isoformat(),
        scope=payload.scope,
    )


def _token_gone(payload: DeleteApiToken, _result: Result) -> Sequence[Entry]:
    return _account("token_delete", payload.user_id, token=str(payload.token_id))


def _factor_on(payload: EnableSecondFactor, _result: Result) -> Sequence[Entry]:
    return _account("second_factor_on", payload.user_id)


def _factor_off(payload: DisableSecondFactor, _result: Result) -> Sequence[Entry]:
    return _account("second_factor_off", payload.user_id)


def _factor_reset(payload: ResetSecondFactor, result: Result) -> Sequence[Entry]:
    return _account("second_factor_reset", payload.user_id) if result.get("was_on", True) else []


def _login_link(payload: NoteLoginLink, _result: Result) -> Sequence[Entry]:
    return _account("login_link", payload.user_id)


def _new_recovery(payload: ReplaceRecoveryCodes, _result: Result) -> Sequence[Entry]:
    return _account("recovery_codes_new", payload.user_id)


def _recovery(payload: SpendRecoveryCode, _result: Result) -> Sequence[Entry]:
    return _account("recovery_code", payload.user_id)


def _registered(_payload: object, result: Result) -> Sequence[Entry]:
    return _account(
        "register", parse_uuid(str(result.get("user_id"))), awaits_approval=bool(result.get("is_waiting"))
    )


def _decision(payload: DecideRegistration, result: Result) -> Sequence[Entry]:
    verb = "approve" if payload.approves else "refuse"
    return _account(verb, payload.user_id, str(result.get("name", "")))


def _registration(payload: SetRegistration, _result: Result) -> Sequence[Entry]:
    return [Entry("setting.registration", "setting", "registration", "Registration", {"mode": payload.mode})]


def _mail(_payload: object, result: Result) -> Sequence[Entry]:
    return _account("mail", parse_uuid(str(result.get("user_id"))))


DESCRIPTIONS: Final[Mapping[str, Describe]] = {
    RECORD_LOGIN.name: _login,
    NOTE_LOGIN_FAILURE.name: _login_failure,
    SET_PASSWORD.name: _password,
    SAVE_PERSON.name: _person,
    SAVE_ACCOUNT.name: _own_account,
    CHANGE_PEOPLE.name: _people,
    CHANGE_ROLE.name: _role,
    SET_PERMISSIONS.name: _permissions,
    SAVE_API_TOKEN.name: _token,
    DELETE_API_TOKEN.name: _token_gone,
    ENABLE_SECOND_FACTOR.name: _factor_on,
    DISABLE_SECOND_FACTOR.name: _factor_off,
    NOTE_LOGIN_LINK.name: _login_link,
    RESET_SECOND_FACTOR.name: _factor_reset,
    REPLACE_RECOVERY_CODES.name: _new_recovery,
    SPEND_RECOVERY_CODE.name: _recovery,
    CONFIRM_REGISTRATION.name: _registered,
    DECIDE_REGISTRATION.name: _decision,
    SET_REGISTRATION.name: _registration,
    CONFIRM_MAIL.name: _mail,
}

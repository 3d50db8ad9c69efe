"""Which function does the work of which kind of job."""

from collections.abc import Mapping
from typing import Final

from kernel.batch.run import run_batch
from kernel.cron.key import run_new_cron_key
from kernel.cron.run import run_cron
from kernel.form.submitted import run_form_taps
from kernel.form_jobs import RUN_FORM_TAPS
from kernel.item.delete import run_delete_item
from kernel.item.index import run_index_item
from kernel.item.save import run_save_item
from kernel.item.taps import run_item_taps
from kernel.job_kind import JobKind
from kernel.jobs import (
    APPLY_PLUGIN_WRITES,
    CHANGE_PLUGIN,
    DELETE_ITEM,
    INDEX_ITEM,
    NEW_CRON_KEY,
    NOTE_PLUGIN_FAILURES,
    RECORD_LOGIN,
    RETRY_JOB,
    RUN_BATCH,
    RUN_CRON,
    RUN_ITEM_TAPS,
    SAVE_ITEM,
    SET_PASSWORD,
    SET_PLUGIN_SETTINGS,
    WORK_PLUGIN_QUEUE,
)
from kernel.lifecycle.change import run_change_plugin
from kernel.lifecycle.settings import run_set_plugin_settings
from kernel.login_jobs import (
    DISABLE_SECOND_FACTOR,
    ENABLE_SECOND_FACTOR,
    NOTE_CODE_USE,
    NOTE_LOGIN_LINK,
    REPLACE_RECOVERY_CODES,
    RESET_SECOND_FACTOR,
    SPEND_RECOVERY_CODE,
)
from kernel.mail.post import run_send_mail
from kernel.mail_jobs import (
    CHANGE_MAIL,
    CONFIRM_MAIL,
    CONFIRM_REGISTRATION,
    DECIDE_REGISTRATION,
    MAIL_PASSWORD_RESET,
    REGISTER,
    SEND_MAIL,
    SET_REGISTRATION,
)
from kernel.maintenance.change import run_set_maintenance
from kernel.people.api_token import run_delete_api_token, run_save_api_token
from kernel.people.change import run_change_people
from kernel.people.grants import run_set_permissions
from kernel.people.login_link import run_note_login_link
from kernel.people.registration import run_decide_registration, run_set_registration
from kernel.people.role import run_change_role
from kernel.people.save import run_save_account, run_save_person
from kernel.person_jobs import (
    CHANGE_PEOPLE,
    CHANGE_ROLE,
    DELETE_API_TOKEN,
    NOTE_TOKEN_USE,
    SAVE_ACCOUNT,
    SAVE_API_TOKEN,
    SAVE_PERSON,
    SET_PERMISSIONS,
)
from kernel.plugin_data.wishes import run_apply_plugin_writes
from kernel.plugin_queue.work import run_plugin_queue
from kernel.rate_limit.change import run_set_rate_limits
from kernel.site_jobs import NOTE_LOGIN_FAILURE, SET_MAINTENANCE, SET_RATE_LIMITS
from kernel.supervision.note import run_note_plugin_failures
from kernel.user.account import run_record_login, run_set_password
from kernel.user.entry.second_factor import (
    run_disable_second_factor,
    run_enable_second_factor,
    run_note_code_use,
    run_replace_recovery_codes,
    run_reset_second_factor,
    run_spend_recovery_code,
)
from kernel.user.login_failure import run_note_login_failure
from kernel.user.proof.address import run_change_mail, run_confirm_mail
from kernel.user.proof.register import run_confirm_registration, run_register
from kernel.user.proof.reset import run_mail_password_reset
from kernel.user.retry import run_retry_job
from kernel.user.token import run_note_token_use
from workers.worker import Handler

HANDLERS: Final[Mapping[JobKind, Handler]] = {
    SAVE_ITEM: run_save_item,
    DELETE_ITEM: run_delete_item,
    INDEX_ITEM: run_index_item,
    RUN_ITEM_TAPS: run_item_taps,
    RUN_FORM_TAPS: run_form_taps,
    RECORD_LOGIN: run_record_login,
    SET_PASSWORD: run_set_password,
    ENABLE_SECOND_FACTOR: run_enable_second_factor,
    DISABLE_SECOND_FACTOR: run_disable_second_factor,
    RESET_SECOND_FACTOR: run_reset_second_factor,
    REPLACE_RECOVERY_CODES: run_replace_recovery_codes,
    SPEND_RECOVERY_CODE: run_spend_recovery_code,
    NOTE_CODE_USE: run_note_code_use,
    SEND_MAIL: run_send_mail,
    MAIL_PASSWORD_RESET: run_mail_password_reset,
    REGISTER: run_register,
    CONFIRM_REGISTRATION: run_confirm_registration,
    DECIDE_REGISTRATION: run_decide_registration,
    SET_REGISTRATION: run_set_registration,
    CHANGE_MAIL: run_change_mail,
    CONFIRM_MAIL: run_confirm_mail,
    WORK_PLUGIN_QUEUE: run_plugin_queue,
    APPLY_PLUGIN_WRITES: run_apply_plugin_writes,
    RETRY_JOB: run_retry_job,
    RUN_BATCH: run_batch,
    RUN_CRON: run_cron,
    NEW_CRON_KEY: run_new_cron_key,
    CHANGE_PLUGIN: run_change_plugin,
    SET_PLUGIN_SETTINGS: run_set_plugin_settings,
    NOTE_PLUGIN_FAILURES: run_note_plugin_failures,
    SET_RATE_LIMITS: run_set_rate_limits,
    SET_MAINTENANCE: run_set_maintenance,
    NOTE_LOGIN_FAILURE: run_note_login_failure,
    NOTE_LOGIN_LINK: run_note_login_link,
    SAVE_PERSON: run_save_person,
    SAVE_ACCOUNT: run_save_account,
    CHANGE_PEOPLE: run_change_people,
    CHANGE_ROLE: run_change_role,
    SET_PERMISSIONS: run_set_permissions,
    SAVE_API_TOKEN: run_save_api_token,
    DELETE_API_TOKEN: run_delete_api_token,
    NOTE_TOKEN_USE: run_note_token_use,
}

"""Which plugins the site runs, what each may do and brings, and the buttons that change it."""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Final, cast

from quart import Blueprint, Response, request

from kernel.errors import BadInput, ConfigError, Conflict, Invalid, NotFound, PluginError, Unavailable
from kernel.jobs import (
    CHANGE_PLUGIN,
    SET_PLUGIN_SETTINGS,
    ChangePlugin,
    PluginOperation,
    SetPluginSettings,
)
from kernel.ledger.model import Job
from kernel.lifecycle.change import ADMINISTER_PLUGINS
from kernel.lifecycle.overview import PluginLine, list_kept_rows, list_plugins, list_unsettled
from kernel.lifecycle.source import Source, find_offered, make_source, submit_install, submit_offer
from kernel.names import is_machine_name
from kernel.plugin.manifest import parse_manifest
from kernel.plugin.model import get_ceilings
from kernel.plugin.store import select_variables
from kernel.shared.tally import Tallies
from kernel.supervision.store import list_failures
from kernel.supervision.usage import TapUsage, read_usage
from web.guard import Submitted, changing_route
from web.plugin_view import describe_plugin, describe_settings, read_settings
from web.respond import answer_json, redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait, wait_for_change

blueprint = Blueprint("admin_plugins", __name__)

PATH: Final = "/admin/plugins"
UPLOAD_PATH: Final = f"{PATH}/upload"
CHANGE_FORM: Final = "plugin_change"
UPLOAD_FORM: Final = "plugin_upload"
SETTINGS_FORM: Final = "plugin_settings"
# A manifest of an honest plugin has a few hundred bytes.
MANIFEST_MAX: Final = 64_000
FAILURES_SHOWN: Final = 20
_DONE: Final = {
    "install": "The plugin is installed.",
    "enable": "The plugin is enabled.",
    "disable": "The plugin is disabled. Its data stay.",
    "uninstall": "The plugin is removed.",
    "discard": "The upload is discarded.",
    "retry": "What was stopped is tried again.",
}


def _may_administer(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_PLUGINS)


@blueprint.get(PATH)
async def show_plugins() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_PLUGINS)
    await visit.need_session()
    lines = await list_plugins(visit.rt)
    return await show_page(
        "admin/plugins.html",
        title="Plugins",
        installed=[line for line in lines if line.is_installed],
        offered=[line for line in lines if not line.is_installed],
    )


@blueprint.get(f"{PATH}/<name>")
async def show_plugin(name: str) -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_PLUGINS)
    return await _show_plugin(visit, name)


async def _show_plugin(
    visit: Visit,
    name: str,
    submitted: Submitted | None = None,
    problems: Mapping[str, str] | None = None,
) -> Response:
    """With the settings as they were typed, and what is wrong with them."""
    line = await _get_line(visit, name)
    await visit.need_session()
    offer = await _find_offer(visit, name) if line.state == "offered" or line.offered else None
    usage: list[TapUsage] = []
    with suppress(Unavailable):
        usage = await read_usage(Tallies(visit.rt.shared), name)
    return await show_page(
        "admin/plugin.html",
        title=name,
        status=Invalid.status if problems else 200,
        breadcrumbs=[("Plugins", PATH)],
        line=line,
        approved=_digest(offer) if offer is not None else "",
        settings=describe_settings(
            name, await select_variables(await visit.conn(), name), submitted, problems
        ),
        failures=await list_failures(await visit.conn(), name, FAILURES_SHOWN),
        rows=await list_kept_rows(visit.rt, name),
        unsettled=await list_unsettled(visit.rt, line),
        **describe_plugin(visit.rt.plugins, line, usage),
    )


@changing_route(blueprint, f"{PATH}/<name>/change", form_id=CHANGE_FORM, access=_may_administer)
async def change_plugin(
    name: str, submitted: Submitted | None, document: Mapping[str, Any] | None
) -> Response:
    """`operation` is install, enable, disable, uninstall, discard or retry. To install, `approved` is the digest of
    what was shown; with `deletes_data` a removed plugin's tables and settings go too."""
    visit = current_visit()
    values = document if submitted is None else {key: found[-1] for key, found in submitted.items()}
    operation = (values or {}).get("operation")
    if not isinstance(operation, str) or operation not in _DONE or not is_machine_name(name):
        raise BadInput(f"`operation` must be one of {', '.join(_DONE)}, for a plugin by its machine name.")
    if operation == "install":
        job = await _install(visit, name, str((values or {}).get("approved", "")))
    else:
        deletes_data = bool((values or {}).get("deletes_data"))
        change = ChangePlugin(cast("PluginOperation", operation), name, deletes_data=deletes_data)
        job = await submit_and_wait(visit, CHANGE_PLUGIN, change, None)
    return await _answer(visit, job, name, _DONE[operation], as_json=document is not None)


@changing_route(blueprint, f"{PATH}/<name>/settings", form_id=SETTINGS_FORM, access=_may_administer)
async def set_settings(
    name: str, submitted: Submitted | None, document: Mapping[str, Any] | None
) -> Response:
    """A document maps names to texts, or null to take one away. A form has `value:NAME` for each that is set, where an
    empty one goes unless it is a secret, and `name` and `value` for another one."""
    visit = current_visit()
    values = read_settings(name, submitted) if submitted is not None else dict(document or {})
    if not all(value is None or isinstance(value, str) for value in values.values()):
        raise BadInput("Settings are texts, or null.")
    job = await submit_and_wait(visit, SET_PLUGIN_SETTINGS, SetPluginSettings(name, values), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=document is not None)
    result = read_result(job)
    if document is not None:
        raise_refusal(result)
        return answer_json({"message": "The settings are saved."})
    if result["outcome"] == "invalid":
        return await _show_plugin(visit, name, submitted, result["problems"])
    raise_refusal(result)
    return await _go_back(visit, "success", "The settings are saved.", f"{PATH}/{name}")


@changing_route(blueprint, UPLOAD_PATH, form_id=UPLOAD_FORM, access=_may_administer)
async def upload_plugin(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    """Nothing of it runs before a worker has checked and compiled it, and somebody has approved it."""
    visit = current_visit()
    if submitted is None or document is not None:
        raise BadInput("Send the two files as a form (multipart/form-data).")
    files = await request.files
    manifest, wasm = files.get("manifest"), files.get("artefact")
    if manifest is None or wasm is None or not manifest.filename or not wasm.filename:
        return await _go_back(visit, "error", "Choose both files: the manifest and the artefact.", PATH)
    try:
        source = await _read_upload(
            visit, cast(BinaryIO, manifest.stream), cast(BinaryIO, wasm.stream), manifest.filename
        )
    except (ConfigError, PluginError, BadInput) as error:
        problems = error.problems if isinstance(error, ConfigError) else [error.message]
        return await _go_back(visit, "error", " ".join(problems), PATH)
    await visit.release()
    job = await wait_for_change(visit, await submit_offer(visit.rt, visit.ctx, source))
    text = "It is checked. Look at what it asks for, then install it."
    return await _answer(visit, job, source.manifest.name, text, as_json=False)


async def _install(visit: Visit, name: str, approved: str) -> Job:
    offer = await _find_offer(visit, name)
    if offer is None:
        raise NotFound("There is no such plugin on offer.")
    if approved != _digest(offer):
        raise Conflict("The plugin changed since you looked at it. Look again at what it asks for.")
    await visit.release()
    return await wait_for_change(visit, await submit_install(visit.rt, visit.ctx, offer, enables=True))


async def _find_offer(visit: Visit, name: str) -> Source | None:
    """None also for one that cannot be installed as it is; the list says why."""
    try:
        return await find_offered(visit.rt, name)
    except (ConfigError, PluginError):
        return None


async def _get_line(visit: Visit, name: str) -> PluginLine:
    """Raises NotFound."""
    line = next((line for line in await list_plugins(visit.rt) if line.name == name), None)
    if line is None:
        raise NotFound("There is no such plugin.")
    return line


def _digest(source: Source) -> str:
    return hashlib.sha256(f"{source.sha256} {source.text}".encode()).hexdigest()


async def _read_upload(visit: Visit, manifest: BinaryIO, wasm: BinaryIO, filename: str) -> Source:
    """Raises ConfigError, PluginError, BadInput."""
    data = await asyncio.to_thread(manifest.read, MANIFEST_MAX + 1)
    if len(data) > MANIFEST_MAX:
        raise BadInput(f"A manifest may have {MANIFEST_MAX:,} bytes.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadInput("The manifest is not UTF-8.") from None
    name = filename.rsplit("/", 1)[-1].removesuffix(".info.toml")
    if not is_machine_name(name):
        raise BadInput("The manifest's file must be named like its plugin: name.info.toml.")
    rt = visit.rt
    place = rt.config.plugins_dir / name / f"{name}.info.toml"
    return make_source(
        parse_manifest(text, place, get_ceilings(rt.config)), text, await asyncio.to_thread(wasm.read)
    )


async def _answer(visit: Visit, job: Job, name: str, text: str, *, as_json: bool) -> Response:
    if not job.is_finished:
        return answer_unfinished(job, as_json=as_json)
    result = read_result(job)
    follower = visit.rt.live_plugins.follower
    if follower is not None:
        # Who has pressed the button sees what came of it; other processes follow within a second.
        await follower.refresh()
    is_done = result["outcome"] == "done"
    message = " ".join((text, *result.get("notes", ()))) if is_done else str(result["message"])
    if as_json:
        return answer_json(
            {"message": message, "enabled": result.get("enabled", False)}, 200 if is_done else 422
        )
    path = result["path"] if is_done else f"{PATH}/{name}"
    return await _go_back(visit, "success" if is_done else "error", message, path)


async def _go_back(visit: Visit, kind: str, text: str, path: str) -> Response:
    if visit.session is not None:
        await visit.sessions.add_flash(visit.session, kind, text)
    return redirect_after_change(path)

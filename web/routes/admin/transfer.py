"""Brings items in from a file, and takes them out into one, as batches."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from quart import Blueprint, Response, request

from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS, ImportItems
from kernel.batch.lines import build_chunks, read_lines
from kernel.batch.start import start_batch
from kernel.errors import BadInput, Invalid, StaleForm
from kernel.form.model import Form, Submission
from kernel.form.render import render_form
from kernel.form.token import build_dedupe_key
from kernel.form.validate import read_values, validate_form
from kernel.item_type.load import list_type_labels
from kernel.names import LIVE
from web.content_filter import read_content_filter, read_filter_document
from web.guard import Submitted, changing_route
from web.repeat import read_repeat_key
from web.respond import show_page
from web.routes.admin.tools import ADMINISTER_CONTENT, may_administer
from web.routes.batch import answer_started
from web.transfer_forms import (
    EXPORT_FORM,
    EXPORT_PATH,
    IMPORT_FORM,
    IMPORT_PATH,
    TOOLS_PATH,
    build_export_form,
    build_import_form,
)
from web.visit import Visit, current_visit

blueprint = Blueprint("transfer", __name__)

TEMPLATES: Final = {IMPORT_FORM: "admin/import.html", EXPORT_FORM: "admin/export.html"}
IMPORT_KEYS: Final = frozenset({"items", "default_type"})


# Import -----------------------------------------------------------------------------------------------------


@blueprint.get(IMPORT_PATH)
async def show_import() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_CONTENT)
    return await _show_form(visit, await _build_import(visit), {}, {})


async def _redisplay_import(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    form = await _build_import(visit)
    raw = read_values(form, submitted).raw
    return await _show_form(visit, form, raw, {"": stale.message}, stale.status)


@changing_route(
    blueprint, IMPORT_PATH, form_id=IMPORT_FORM, access=may_administer, redisplay=_redisplay_import
)
async def import_items(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    visit = current_visit()
    if document is not None:
        return await _import_document(visit, document)
    form = await _build_import(visit)
    file = (await request.files).get("file")
    name = (file.filename or "") if file is not None else ""
    submission = validate_form(form, visit.session, {**(submitted or {}), "file": [name]})
    problems = dict(submission.problems)
    if file is None or problems:
        return await _show_form(visit, form, submission.raw, problems, Invalid.status)
    stream = cast(BinaryIO, file.stream)
    try:
        measure = await asyncio.to_thread(_measure, stream)
    except BadInput as mistake:
        return await _show_form(visit, form, submission.raw, {"file": mistake.message}, Invalid.status)
    # Another file behind the same form is another import.
    told = Submission({**submission.values, "digest": measure.digest}, {}, {}, submission.build_id)
    await visit.release()
    stream.seek(0)
    job_id = await start_batch(
        visit.rt,
        visit.ctx,
        IMPORT_ITEMS,
        ImportItems(measure.lines, submission.values["default_type"]),
        chunks=build_chunks(read_lines(stream)),
        dedupe_key=build_dedupe_key(form, visit.actor.id, told),
    )
    return answer_started(job_id, as_json=False)


@dataclass(frozen=True, slots=True)
class Measure:
    """How many lines a file has that are not empty, and what tells it from others."""

    lines: int
    digest: str


def _measure(file: BinaryIO) -> Measure:
    """Reads it to its end, a line at a time. Raises BadInput for what cannot be an export of any site."""
    digest = hashlib.sha256()
    lines = 0
    has_object = False
    for line in read_lines(file):
        if text := line.strip():
            lines += 1
            has_object = has_object or text.startswith("{")
        digest.update(line.encode(errors="replace") + b"\n")
    if not lines:
        raise BadInput("There is nothing in this file.")
    if not has_object:
        raise BadInput('No line of this file is an item, such as {"type": "page", "title": "About us"}.')
    return Measure(lines, digest.hexdigest())


async def _import_document(visit: Visit, document: Mapping[str, Any]) -> Response:
    """For programs with few items; more of them make a file."""
    types = await list_type_labels(visit.rt, visit.ctx)
    items, default_type = document.get("items"), document.get("default_type", "")
    problems = {str(key)[:64]: "There is no such key." for key in document if key not in IMPORT_KEYS}
    if not isinstance(items, list) or not items:
        problems["items"] = 'Items are a list of objects such as {"type": "page", "title": "About us"}.'
    if not isinstance(default_type, str) or default_type not in {"", *types}:
        problems["default_type"] = f"There is no such type. This site has: {', '.join(types)}."
    if problems or not isinstance(items, list):
        raise Invalid(problems)
    key = read_repeat_key(visit, document)
    await visit.release()
    job_id = await start_batch(
        visit.rt,
        visit.ctx,
        IMPORT_ITEMS,
        ImportItems(len(items), str(default_type)),
        chunks=build_chunks(json.dumps(item) for item in items),
        dedupe_key=key,
    )
    return answer_started(job_id, as_json=True)


async def _build_import(visit: Visit) -> Form:
    return build_import_form(await list_type_labels(visit.rt, visit.ctx), visit.rt.config.max_upload_bytes)


# Export -----------------------------------------------------------------------------------------------------


@blueprint.get(EXPORT_PATH)
async def show_export() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_CONTENT)
    form = build_export_form(await list_type_labels(visit.rt, visit.ctx))
    return await _show_form(visit, form, {}, {})


async def _redisplay_export(submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    form = build_export_form(await list_type_labels(visit.rt, visit.ctx))
    raw, problems = read_values(form, submitted).raw, {"": stale.message}
    return await _show_form(visit, form, raw, problems, stale.status)


@changing_route(
    blueprint, EXPORT_PATH, form_id=EXPORT_FORM, access=may_administer, redisplay=_redisplay_export
)
async def export_items(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    visit = current_visit()
    types = await list_type_labels(visit.rt, visit.ctx)
    if document is not None:
        wanted, key = read_filter_document(document, types), read_repeat_key(visit, document)
    else:
        form = build_export_form(types)
        submission = validate_form(form, visit.session, submitted or {})
        if submission.problems:
            values, problems = submission.raw, submission.problems
            return await _show_form(visit, form, values, problems, Invalid.status)
        wanted = read_content_filter(submission.values, types)
        key = build_dedupe_key(form, visit.actor.id, submission)
    await visit.release()
    job_id = await start_batch(visit.rt, visit.ctx, EXPORT_ITEMS, wanted.as_selection(), dedupe_key=key)
    return answer_started(job_id, as_json=document is not None)


async def _show_form(
    visit: Visit, form: Form, values: Mapping[str, Any], problems: Mapping[str, str], status: int = 200
) -> Response:
    session = await visit.need_session()
    html = render_form(visit.rt.renderer, form, session=session, values=values, problems=problems)
    return await show_page(
        TEMPLATES[form.id],
        title=form.title,
        status=status,
        breadcrumbs=[("Tools", TOOLS_PATH)],
        form=html,
        is_live=visit.ctx.stage_id == LIVE,
    )

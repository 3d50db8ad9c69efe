"""Adds, edits and deletes items, by form and by JSON; both end in the same job."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from quart import Blueprint, Response

from kernel.context import Actor
from kernel.errors import BadInput, Invalid, NotFound, StaleForm
from kernel.form.item_form import (
    build_item_delete_form,
    build_item_form,
    find_expected_revision,
    item_form_values,
    to_fields,
)
from kernel.form.model import Form, Submission
from kernel.form.render import render_form
from kernel.form.taps import note_submitted
from kernel.form.token import build_dedupe_key
from kernel.form.validate import read_values, validate_form
from kernel.ids import parse_uuid, uuid7
from kernel.item.access import may_create
from kernel.item.load import get_item, refuse
from kernel.item.model import Item
from kernel.item.values import check_values
from kernel.item_type.load import get_item_type
from kernel.item_type.model import ItemType
from kernel.jobs import DELETE_ITEM, SAVE_ITEM, DeleteItem, SaveItem
from kernel.ledger.model import Job
from web.form_taps import alter, check, check_item_document
from web.guard import Submitted, changing_route, logged_in
from web.repeat import find_earlier_job, read_repeat_key
from web.respond import answer_json, list_quick_add, redirect_after_change, show_page
from web.routes.items import read_item_id
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("item_forms", __name__)

# The keys of a JSON document that saves an item.
DOCUMENT_KEYS = frozenset({"title", "fields", "status", "promote", "sticky", "log_message", "revision"})


def _may_add(visit: Visit, arguments: Mapping[str, Any]) -> None:
    # An unknown type is answered as such, by the handler, to those who may know the types.
    if not may_create(visit.actor, arguments["type_name"]):
        refuse(visit.ctx, f"You may not create {arguments['type_name'][:40]} content.")


@blueprint.get("/item/add")
async def choose_type() -> Response:
    visit = current_visit()
    types = await list_quick_add(visit.rt, visit.ctx)
    if not types:
        refuse(visit.ctx, "You may not create any content.")
    return await show_page("item_add_choose.html", title="Add content", types=types)


@blueprint.get("/item/add/<type_name>")
async def show_add_form(type_name: str) -> Response:
    visit = current_visit()
    _may_add(visit, {"type_name": type_name})
    item_type = await get_item_type(visit.rt, visit.ctx, type_name)
    return await _show_form(visit, await _build_form(visit, item_type, None), {}, {})


async def _build_form(visit: Visit, item_type: ItemType, item: Item | None) -> Form:
    return await alter(visit, build_item_form(item_type, item, visit.actor))


async def _redisplay_add(type_name: str, submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    item_type = await get_item_type(visit.rt, visit.ctx, type_name)
    form = await _build_form(visit, item_type, None)
    return await _show_form(visit, form, read_values(form, submitted).raw, {"": stale.message}, stale.status)


@changing_route(
    blueprint, "/item/add/<type_name>", form_id="item_form", access=_may_add, redisplay=_redisplay_add
)
async def add_item(type_name: str, submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    item_type = await get_item_type(visit.rt, visit.ctx, type_name)
    if document is not None:
        key = read_repeat_key(visit, document)
        job = await find_earlier_job(visit, key)
        if job is None:
            payload = await _take_document(visit, document, item_type, uuid7(), None)
            job = await submit_and_wait(visit, SAVE_ITEM, payload, key)
        return _answer_saved(job, 201)
    form = await _build_form(visit, item_type, None)
    submission = validate_form(form, visit.session, submitted or {})
    return await _save_form(visit, form, submission, item_type, None)


@blueprint.get("/item/<item_id>/edit")
async def show_edit_form(item_id: str) -> Response:
    visit = current_visit()
    item = await get_item(await visit.scope(), await visit.conn(), read_item_id(item_id), "edit")
    item_type = await get_item_type(visit.rt, visit.ctx, item.type)
    form = await _build_form(visit, item_type, item)
    return await _show_form(visit, form, item_form_values(item), {}, item=item)


async def _redisplay_edit(item_id: str, submitted: Submitted, stale: StaleForm) -> Response:
    visit = current_visit()
    item = await get_item(await visit.scope(), await visit.conn(), read_item_id(item_id), "edit")
    item_type = await get_item_type(visit.rt, visit.ctx, item.type)
    form = await _build_form(visit, item_type, item)
    values = read_values(form, submitted).raw
    return await _show_form(visit, form, values, {"": stale.message}, stale.status, item=item)


@changing_route(
    blueprint, "/item/<item_id>/edit", form_id="item_form", access=logged_in, redisplay=_redisplay_edit
)
async def edit_item(item_id: str, submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    key = read_repeat_key(visit, document) if document is not None else None
    earlier = await find_earlier_job(visit, key)
    if earlier is not None:
        return _answer_saved(earlier, 200)
    item = await get_item(await visit.scope(), await visit.conn(), read_item_id(item_id), "edit")
    item_type = await get_item_type(visit.rt, visit.ctx, item.type)
    if document is not None:
        payload = await _take_document(visit, document, item_type, item.id, item)
        return _answer_saved(await submit_and_wait(visit, SAVE_ITEM, payload, key), 200)
    form = await _build_form(visit, item_type, item)
    submission = validate_form(form, visit.session, submitted or {})
    return await _save_form(visit, form, submission, item_type, item)


@blueprint.get("/item/<item_id>/delete")
async def show_delete_form(item_id: str) -> Response:
    visit = current_visit()
    item = await get_item(await visit.scope(), await visit.conn(), read_item_id(item_id), "delete")
    form = build_item_delete_form(item)
    return await _show_form(visit, form, {}, {}, item=item, template="item_delete.html")


@changing_route(blueprint, "/item/<item_id>/delete", form_id="item_delete", access=logged_in)
async def delete_item(item_id: str, submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    if document is not None:
        return await _delete_by_document(visit, read_item_id(item_id), document)
    item = await get_item(await visit.scope(), await visit.conn(), read_item_id(item_id), "delete")
    submission = validate_form(build_item_delete_form(item), visit.session, submitted or {})
    revision = _read_revision(submission.values.get("revision"))
    job = await submit_and_wait(visit, DELETE_ITEM, DeleteItem(item.id, revision), None)
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    raise_refusal(read_result(job))
    await visit.sessions.add_flash(await visit.need_session(), "success", f"“{item.title}” was deleted.")
    return redirect_after_change("/admin/content" if visit.actor.may("access content overview") else "/")


async def _delete_by_document(visit: Visit, item_id: UUID, document: Mapping[str, Any]) -> Response:
    key = read_repeat_key(visit, document)
    job = await find_earlier_job(visit, key)
    if job is None:
        item = await get_item(await visit.scope(), await visit.conn(), item_id, "delete")
        revision = _read_revision(document.get("revision", str(item.revision_id)))
        job = await submit_and_wait(visit, DELETE_ITEM, DeleteItem(item_id, revision), key)
    if not job.is_finished:
        return answer_unfinished(job, as_json=True)
    raise_refusal(read_result(job))
    return answer_json({"deleted": str(item_id)})


def _read_revision(text: object) -> UUID:
    revision = parse_uuid(text) if isinstance(text, str) else None
    if revision is None:
        raise BadInput("`revision` must be the id of the revision that you started from.")
    return revision


async def _take_document(
    visit: Visit, document: Mapping[str, Any], item_type: ItemType, item_id: UUID, stored: Item | None
) -> SaveItem:
    """Checked as strictly as a form, by plugins too. Raises Invalid with every mistake at once."""
    payload, problems = _read_document(document, item_type, visit.actor, item_id, stored)
    form = await _build_form(visit, item_type, stored)
    problems = {**await check_item_document(visit, form, payload, problems.keys()), **problems}
    if problems:
        raise Invalid(problems)
    return payload


def _read_document(
    document: Mapping[str, Any], item_type: ItemType, actor: Actor, item_id: UUID, stored: Item | None
) -> tuple[SaveItem, dict[str, str]]:
    """What it says, as far as that is good, and what is wrong with it."""
    problems = {
        str(key)[:64]: f"There is no such key. A document has: {', '.join(sorted(DOCUMENT_KEYS))}."
        for key in document
        if key not in DOCUMENT_KEYS
    }
    title = document.get("title", stored.title if stored else None)
    fields = document.get("fields", {})
    if stored is not None and isinstance(fields, Mapping):
        # A field that is not named keeps its value; null empties it.
        fields = {**stored.fields, **fields}
    checked = check_values(item_type, title, fields, actor, stored.fields if stored else None)
    problems.update(checked.problems)
    flags: dict[str, bool] = {}
    for name, default in (
        ("status", stored.is_published if stored else True),
        ("promote", stored.promote if stored else False),
        ("sticky", stored.sticky if stored else False),
    ):
        flag = document.get(name, default)
        if flag not in (True, False):
            problems[name] = f"{name} must be true or false."
        flags[name] = bool(flag)
    log_message = document.get("log_message", "")
    if not isinstance(log_message, str) or len(log_message) > 255:
        problems["log_message"] = "log_message must be text of 255 characters at most."
        log_message = ""
    revision = None
    if stored is not None:
        revision = stored.revision_id if "revision" not in document else parse_uuid(str(document["revision"]))
        if revision is None:
            problems["revision"] = "revision must be the id of the revision that you started from."
    payload = SaveItem(
        item_id=item_id,
        type=item_type.type,
        title=checked.title,
        fields=checked.fields,
        status=int(flags["status"]),
        promote=flags["promote"],
        sticky=flags["sticky"],
        log_message=log_message,
        expected_revision_id=revision,
    )
    return payload, problems


def _answer_saved(job: Job, status: int) -> Response:
    if not job.is_finished:
        return answer_unfinished(job, as_json=True)
    result = read_result(job)
    raise_refusal(result)
    data = {
        "id": result["item_id"],
        "revision_id": result["revision_id"],
        "path": result["path"],
        "warnings": result["warnings"],
    }
    return answer_json(data, status, {"Location": result["path"]})


async def _save_form(
    visit: Visit, form: Form, submission: Submission, item_type: ItemType, item: Item | None
) -> Response:
    """Checked here so that a mistake costs no job, and again by the worker, which decides."""
    submission = await check(visit, form, submission)
    values = submission.values
    problems = dict(submission.problems)
    if not problems:
        checked = check_values(
            item_type, values["title"], to_fields(values), visit.actor, item.fields if item else None
        )
        problems = dict(checked.problems)
    expected = find_expected_revision(values)
    if item is not None and expected is None:
        problems[""] = (
            "The form does not say which revision it started from. Open it again from the item's page."
        )
    if problems:
        return await _show_form(visit, form, submission.raw, problems, Invalid.status, item=item)
    payload = SaveItem(
        item_id=item.id if item else uuid7(),
        type=item_type.type,
        title=values["title"],
        fields=to_fields(values),
        status=int(values["status"]),
        promote=values["promote"],
        sticky=values["sticky"],
        log_message=values["log_message"],
        expected_revision_id=expected if item else None,
        form=note_submitted(visit.rt.plugins.registry, form, submission),
    )
    job = await submit_and_wait(visit, SAVE_ITEM, payload, build_dedupe_key(form, visit.actor.id, submission))
    if not job.is_finished:
        return answer_unfinished(job, as_json=False)
    result = read_result(job)
    match result["outcome"]:
        case "saved":
            session = await visit.need_session()
            await visit.sessions.add_flash(session, "success", f"“{result['title']}” was saved.")
            for warning in result["warnings"]:
                await visit.sessions.add_flash(session, "warning", warning)
            return redirect_after_change(result["path"])
        case "invalid":
            return await _show_form(
                visit, form, submission.raw, result["problems"], Invalid.status, item=item
            )
        case "conflict" if result.get("revision_id"):
            # Saving again is a decision for the newer version, made after the message was read.
            kept = {**submission.raw, "revision": result["revision_id"]}
            return await _show_form(visit, form, kept, {"": result["message"]}, 409, item=item)
    raise_refusal(result)
    raise NotFound("There is no such item.")


async def _show_form(
    visit: Visit,
    form: Form,
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    status: int = 200,
    *,
    item: Item | None = None,
    template: str = "admin/item_form.html",
) -> Response:
    html = render_form(
        visit.rt.renderer, form, session=await visit.need_session(), values=values, problems=problems
    )
    breadcrumbs = (
        [("Home", "/"), (item.title, item.path)] if item else [("Home", "/"), ("Add content", "/item/add")]
    )
    return await show_page(
        template, title=form.title, status=status, breadcrumbs=breadcrumbs, form=html, item=item
    )

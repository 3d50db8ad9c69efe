"""The list of all content, newest change first, with filters, and actions on many items at once."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from quart import Blueprint, Response, request

from kernel.batch.lines import build_chunks
from kernel.batch.selection import count_selected, write_listed
from kernel.batch.start import start_batch
from kernel.form.render import render_form
from kernel.form.token import build_id
from kernel.gather.model import Gather
from kernel.gather.run import run_gather
from kernel.item.decide import decide_access, list_allowed
from kernel.item.store import select_items
from kernel.item_type.load import list_type_labels
from kernel.names import LIVE
from web.bulk import (
    BULK_FORM,
    BULK_PATH,
    Choice,
    build_bulk_key,
    build_confirm_form,
    read_bulk_document,
    read_bulk_form,
)
from web.content_filter import SORTS, ContentFilter, read_content_filter, read_sort
from web.guard import Submitted, changing_route
from web.repeat import read_repeat_key
from web.respond import redirect_after_change, show_page
from web.routes.batch import answer_started
from web.routes.gathers import read_page_number
from web.visit import Visit, current_visit

blueprint = Blueprint("content", __name__)

PATH: Final = "/admin/content"
OVERVIEW: Final = "access content overview"
PAGE_SIZE: Final = 25
# Titles that are shown before they are deleted.
NAMED: Final = 8


@blueprint.get(PATH)
async def show_content() -> Response:
    visit = current_visit()
    visit.require(OVERVIEW)
    types = await list_type_labels(visit.rt, visit.ctx)
    chosen, sort = read_content_filter(request.args, types), read_sort(request.args)
    column, is_descending = SORTS[sort]
    gather = Gather(
        "content",
        "Content",
        PATH,
        types=(chosen.type,) if chosen.type else (),
        sort=column,
        descending=is_descending,
        page_size=PAGE_SIZE,
        published_only=False,
        status=int(chosen.status) if chosen.status else None,
        title_contains=chosen.text,
    )
    number = read_page_number(request.args.get("page", "1"))
    scope = await visit.scope()
    page = await run_gather(scope, await visit.conn(), gather, number)
    edits = await decide_access(scope, page.items, "edit")
    deletes = await decide_access(scope, page.items, "delete")
    rows = [
        {
            "item": item,
            "type_label": types.get(item.type, item.type),
            "may_edit": may_edit.is_allowed,
            "may_delete": may_delete.is_allowed,
        }
        for item, may_edit, may_delete in zip(page.items, edits, deletes, strict=True)
    ]
    await visit.need_session()
    return await show_page(
        "admin/content.html",
        title="Content",
        rows=rows,
        pager=page,
        filters=chosen.as_query(),
        sort=sort,
        types=list(types.items()),
        # Many items are changed on the live site alone.
        may_choose=visit.ctx.stage_id == LIVE and any(row["may_edit"] or row["may_delete"] for row in rows),
        build_id=build_id(),
    )


def _may_oversee_content(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(OVERVIEW)


@changing_route(blueprint, BULK_PATH, form_id=BULK_FORM, access=_may_oversee_content)
async def change_many(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    """Starts the batch; a form asks once more before much is changed or anything deleted."""
    visit = current_visit()
    types = await list_type_labels(visit.rt, visit.ctx)
    if document is not None:
        choice = read_bulk_document(document, types)
        return await _start(visit, choice, read_repeat_key(visit, document), as_json=True)
    sent = submitted or {}
    choice = read_bulk_form(sent, types)
    if not choice.items and not choice.is_everything:
        return await _go_back(visit, choice.filter, "Nothing was chosen. Tick the items first.")
    if choice.needs_word and not choice.is_confirmed:
        return await _ask(visit, choice, types)
    return await _start(visit, choice, build_bulk_key(visit.actor.id, choice, sent), as_json=False)


async def _start(visit: Visit, choice: Choice, dedupe_key: str | None, *, as_json: bool) -> Response:
    await visit.release()
    lines = (write_listed(item_id, revision) for item_id, revision in choice.items.items())
    job_id = await start_batch(
        visit.rt,
        visit.ctx,
        choice.action.operation,
        choice.as_selection(),
        chunks=() if choice.is_everything else build_chunks(lines),
        dedupe_key=dedupe_key,
    )
    return answer_started(job_id, as_json=as_json)


async def _ask(visit: Visit, choice: Choice, types: Mapping[str, str]) -> Response:
    if choice.is_everything:
        count = await count_selected(visit.rt, visit.ctx, choice.as_selection())
        titles: list[str] = []
    else:
        named = await select_items(await visit.conn(), list(choice.items)[:NAMED])
        shown = await list_allowed(await visit.scope(), named, "view")
        count, titles = len(choice.items), [item.title for item in shown]
    if count == 0:
        return await _go_back(visit, choice.filter, "Nothing matches any more.")
    form = build_confirm_form(choice, count, _build_address(choice.filter))
    return await show_page(
        "admin/content_confirm.html",
        title=form.title,
        breadcrumbs=[("Content", PATH)],
        form=render_form(visit.rt.renderer, form, session=await visit.need_session()),
        titles=titles,
        more=count - len(titles) if titles and count else 0,
        filters=choice.filter.as_query() if choice.is_everything else {},
        type_label=types.get(choice.filter.type, ""),
    )


async def _go_back(visit: Visit, chosen: ContentFilter, text: str) -> Response:
    await visit.sessions.add_flash(await visit.need_session(), "warning", text)
    return redirect_after_change(_build_address(chosen))


def _build_address(chosen: ContentFilter) -> str:
    return PATH if chosen.is_empty else f"{PATH}?{urlencode(chosen.as_query())}"

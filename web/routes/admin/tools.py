"""What can be done with all the content at once, when each was last done, and the buttons that do it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from quart import Blueprint, Response

from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS
from kernel.batch.operation import Operation
from kernel.batch.refresh_pages import REFRESH_PAGES
from kernel.batch.reindex import REINDEX
from kernel.batch.selection import Selection
from kernel.batch.start import start_batch
from kernel.batch.store import list_last_runs
from kernel.errors import BadInput
from kernel.form.token import BUILD_ID_FIELD, build_id
from kernel.jobs import RUN_BATCH
from kernel.ledger.access import may_oversee
from kernel.ledger.lists import JobFilter, list_jobs
from kernel.ledger.model import UNFINISHED
from web.guard import Submitted, changing_route
from web.repeat import read_repeat_key
from web.respond import show_page
from web.routes.batch import answer_started
from web.transfer_forms import (
    EXPORT_PATH,
    IMPORT_PATH,
    TOOLS_PATH,
)
from web.visit import Visit, current_visit

blueprint = Blueprint("tools", __name__)

ADMINISTER_CONTENT: Final = "administer content"
RUN_PATH: Final = f"{TOOLS_PATH}/run"
RUN_FORM: Final = "tool_run"
# Unfinished batches that are looked through for those of the tools.
LOOKED_AT: Final = 50


@dataclass(frozen=True, slots=True)
class Tool:
    """`path` is that of its form; one without is a button."""

    operation: Operation
    icon: str
    label: str
    text: str
    button: str
    path: str = ""


TOOLS: Final = (
    Tool(
        IMPORT_ITEMS,
        "upload",
        "Import content",
        "Adds items from a file with one on each line. What is on the site already stays as it is.",
        "Choose a file",
        IMPORT_PATH,
    ),
    Tool(
        EXPORT_ITEMS,
        "download",
        "Export content",
        "Writes items into a file to download, which another site or this one can import.",
        "Choose what to export",
        EXPORT_PATH,
    ),
    Tool(
        REINDEX,
        "search",
        "Rebuild the search index",
        "Reads every item again for the search. Needed after the searched fields or a plugin's words changed.",
        "Rebuild the index",
    ),
    Tool(
        REFRESH_PAGES,
        "again",
        "Refresh all pages",
        "Makes the site forget the pages it keeps ready, a few at a time, so that visitors get new ones.",
        "Refresh pages",
    ),
)
RUN_BY_BUTTON: Final = {tool.operation.name: tool.operation for tool in TOOLS if not tool.path}


def may_administer(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_CONTENT)


@blueprint.get(TOOLS_PATH)
async def show_tools() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_CONTENT)
    conn = await visit.conn()
    last = await list_last_runs(conn, [tool.operation.name for tool in TOOLS])
    wanted = JobFilter(statuses=UNFINISHED, kind=RUN_BATCH.name)
    running = {line.operation: line for line in (await list_jobs(conn, wanted, LOOKED_AT)).lines}
    rows = []
    for tool in TOOLS:
        line = running.get(tool.operation.name)
        rows.append(
            {
                "name": tool.operation.name,
                "icon": tool.icon,
                "label": tool.label,
                "text": tool.text,
                "button": tool.button,
                "path": tool.path,
                "last": last.get(tool.operation.name),
                "is_running": line is not None,
                "batch": f"/batch/{line.id}" if line is not None and may_oversee(visit.ctx, line) else "",
            }
        )
    await visit.need_session()
    return await show_page("admin/tools.html", title="Tools", tools=rows, build_id=build_id())


@changing_route(blueprint, RUN_PATH, form_id=RUN_FORM, access=may_administer)
async def run_tool(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    visit = current_visit()
    if document is not None:
        name, key = document.get("tool"), read_repeat_key(visit, document)
    else:
        sent = submitted or {}
        name = (sent.get("tool") or [""])[-1]
        pressed = (sent.get(BUILD_ID_FIELD) or [""])[-1]
        key = _digest("tool", name, str(visit.actor.id), pressed) if pressed else None
    operation = RUN_BY_BUTTON.get(name) if isinstance(name, str) else None
    if operation is None:
        raise BadInput(f"There is no such tool. There are: {', '.join(RUN_BY_BUTTON)}.")
    await visit.release()
    job_id = await start_batch(visit.rt, visit.ctx, operation, Selection(), dedupe_key=key)
    return answer_started(job_id, as_json=document is not None)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()

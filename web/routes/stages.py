"""Switches the stage that a session works in."""

from dataclasses import replace
from typing import Any

from quart import Blueprint, Response, request

from kernel.errors import BadInput
from kernel.stage.load import get_stage
from web.entry import read_destination
from web.guard import Submitted, changing_route, logged_in
from web.respond import answer_json, redirect_after_change
from web.visit import current_visit

blueprint = Blueprint("stages", __name__)


@changing_route(blueprint, "/admin/stage/switch", form_id="stage_switch", access=logged_in)
async def switch_stage(submitted: Submitted | None, document: dict[str, Any] | None) -> Response:
    visit = current_visit()
    stage_id = (
        (document or {}).get("stage_id") if submitted is None else (submitted.get("stage_id") or [""])[-1]
    )
    if not isinstance(stage_id, str) or visit.session is None:
        raise BadInput("`stage_id` must name a stage, and it is your session that switches to it.")
    stage = await get_stage(visit.rt, visit.ctx, stage_id)
    await visit.sessions.save(replace(visit.session, active_stage=stage.id))
    if document is not None:
        return answer_json({"active_stage": stage.id})
    await visit.sessions.add_flash(visit.session, "success", f"You are now working in {stage.label}.")
    return redirect_after_change(read_destination(request.args.get("destination", "")))

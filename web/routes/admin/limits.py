"""How often what may be done, and who was refused in the last days."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from quart import Blueprint, Response

from kernel import clock
from kernel.errors import Invalid
from kernel.form.render import render_form
from kernel.form.validate import validate_form
from kernel.rate_limit.load import load_limits
from kernel.rate_limit.model import DOORS, Limits
from kernel.rate_limit.store import list_refusals
from kernel.setting.access import ADMINISTER_SITE
from kernel.shared.rate_limit import OTHERS
from kernel.shared.refusals import LOCKED
from kernel.site_jobs import SET_RATE_LIMITS, SetRateLimits
from web.guard import Submitted, changing_route
from web.limits_form import FORM_ID, LIMITS_PATH, build_limits_form, read_limits_form
from web.respond import answer_json, redirect_after_change, show_page
from web.visit import Visit, current_visit
from web.work import answer_unfinished, raise_refusal, read_result, submit_and_wait

blueprint = Blueprint("admin_limits", __name__)

REPORT: Final = timedelta(days=7)
SHOWN: Final = 50
SAVED: Final = "The limits are saved. They hold in every process at once."
_KINDS: Final = {"user": "Person", "token": "API token of", "address": "Address", OTHERS: "Many others"}


def _may_administer(visit: Visit, _arguments: Mapping[str, Any]) -> None:
    visit.require(ADMINISTER_SITE)


@blueprint.get(LIMITS_PATH)
async def show_limits() -> Response:
    visit = current_visit()
    visit.require(ADMINISTER_SITE)
    return await _show(visit, await load_limits(visit.rt))


@changing_route(blueprint, LIMITS_PATH, form_id=FORM_ID, access=_may_administer)
async def set_limits(submitted: Submitted | None, document: Mapping[str, Any] | None) -> Response:
    """A document has `doors`, `routes` and `excluded`, as docs/limits.md tells."""
    visit = current_visit()
    if submitted is None:
        job = await submit_and_wait(visit, SET_RATE_LIMITS, SetRateLimits(dict(document or {})), None)
        if not job.is_finished:
            return answer_unfinished(job, as_json=True)
        raise_refusal(read_result(job))
        return answer_json({"message": SAVED})
    form = build_limits_form(await load_limits(visit.rt))
    submission = validate_form(form, visit.session, submitted)
    problems = dict(submission.problems)
    if not problems:
        wanted, problems = read_limits_form(submission.values)
    if not problems:
        job = await submit_and_wait(visit, SET_RATE_LIMITS, SetRateLimits(wanted), None)
        if not job.is_finished:
            return answer_unfinished(job, as_json=False)
        result = read_result(job)
        problems = dict(result.get("problems", {}))
        if not problems:
            raise_refusal(result)
            await visit.sessions.add_flash(await visit.need_session(), "success", SAVED)
            return redirect_after_change(LIMITS_PATH)
    return await _show(visit, await load_limits(visit.rt), submission.raw, problems)


async def _show(
    visit: Visit,
    limits: Limits,
    values: dict[str, Any] | None = None,
    problems: dict[str, str] | None = None,
) -> Response:
    session = await visit.need_session()
    labels = {**{door.name: door.label for door in DOORS}, LOCKED: "Logging in while locked out"}
    refusals = await list_refusals(await visit.conn(), clock.now() - REPORT, SHOWN)
    return await show_page(
        "admin/limits.html",
        title="Limits",
        status=Invalid.status if problems else 200,
        form=render_form(
            visit.rt.renderer,
            build_limits_form(limits),
            session=session,
            values=values or {},
            problems=problems or {},
        ),
        is_counting=visit.rt.config.rate_limits,
        rows=[
            {
                "kind": _KINDS.get(found.who_kind, found.who_kind),
                "who": found.label,
                "door": labels.get(found.door, found.door if found.door != OTHERS else "Several"),
                "number": found.number,
                "latest": found.latest,
            }
            for found in refusals
        ],
    )

"""`http-api`: other servers, from taps that nobody waits for."""

from base64 import b64encode
from time import perf_counter
from typing import Any, Final

import orjson

from kernel.metrics import Metrics
from kernel.outbound.client import Answer, FetchError, Outbound
from kernel.outbound.request import RequestError, read_request
from kernel.sandbox.host import HostError, HostFunction
from kernel.tap.scope import PluginState
from kernel.tap.wire import PluginDataError, read_json

INTERFACE: Final = "http-api"
# Of one plugin in one job, or about one of many items: a loop over the world belongs onto a queue.
FETCHES_MAX: Final = 20
# In bytes of JSON: a body with headers, written with as many escapes as JSON allows.
REQUEST_MAX: Final = 1_000_000


def list_http_functions(outbound: Outbound, metrics: Metrics) -> tuple[HostFunction, ...]:
    async def fetch(state: PluginState, request_json: str) -> str:
        """Error codes: refused-capability, bad-payload, unreachable, timeout, too-large, too-many, not-available."""
        started, outcome = perf_counter(), "cancelled"
        try:
            answer = await _fetch(outbound, state, request_json)
            outcome = f"{answer.status // 100}xx"
            return _encode(answer)
        except HostError as refusal:
            outcome = refusal.code
            raise
        finally:
            metrics.count_fetch(state.plugin.name, outcome, perf_counter() - started)

    return (HostFunction(INTERFACE, "fetch", fetch),)


async def _fetch(outbound: Outbound, state: PluginState, request_json: str) -> Answer:
    state.record.note_obstacle("it asks another server")
    _require_background(state)
    if len(request_json) > REQUEST_MAX:
        raise HostError("bad-payload", f"A request may have {REQUEST_MAX:,} characters of JSON.")
    try:
        request = read_request(read_json(request_json))
    except PluginDataError as mistake:
        raise HostError("bad-payload", f"The request is {mistake}.") from None
    except RequestError as mistake:
        raise HostError("bad-payload", str(mistake)) from None
    if not request.is_listed(state.plugin.may.hosts):
        raise HostError(
            "refused-capability",
            f"The manifest of plugin '{state.plugin.name}' does not list {request.host}:{request.port}"
            " in [capabilities] hosts.",
        )
    fetches = state.scope.fetches
    if fetches[state.plugin.name] >= FETCHES_MAX:
        raise HostError(
            "too-many",
            f"A plugin may ask other servers {FETCHES_MAX} times in one job; put the rest on a queue.",
        )
    fetches[state.plugin.name] += 1
    try:
        return await outbound.fetch(request)
    except FetchError as failure:
        raise HostError(failure.code, failure.message) from None


def _require_background(state: PluginState) -> None:
    """Nobody waits for a stranger: no page, no save, and no process that starts and asks plugins what they declare."""
    tap = state.tap
    if tap is None or tap.where != "background" or tap.combine == "accumulate" or state.scope.job_id is None:
        function = tap.function if tap else "A call outside of a tap"
        raise HostError(
            "not-available",
            f"{function} may not ask other servers, since somebody waits for it: push the work on a queue.",
        )


def _encode(answer: Answer) -> str:
    """A body that is no UTF-8 text goes as base64, and says so."""
    told: dict[str, Any] = {"status": answer.status, "headers": answer.headers}
    try:
        told["body"] = answer.body.decode()
    except UnicodeDecodeError:
        told |= {"body": b64encode(answer.body).decode(), "is_base64": True}
    return orjson.dumps(told).decode()

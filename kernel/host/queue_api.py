"""`queue-api`: work that a plugin puts on one of its own queues, for later."""

from typing import Any, Final

from kernel.errors import TooMany
from kernel.host.submit import go_deeper, make_dedupe_key
from kernel.jobs import WorkPluginQueue
from kernel.ledger.ledger import Ledger
from kernel.plugin_queue.push import push_work
from kernel.sandbox.host import HostError, HostFunction
from kernel.tap.scope import PluginState
from kernel.tap.wire import PluginDataError, read_json

INTERFACE: Final = "queue-api"
# In bytes of JSON; what is larger belongs into an item, and its id onto the queue.
DATA_MAX: Final = 100_000
_NAME_SHOWN: Final = 64


def list_queue_functions(ledger: Ledger) -> tuple[HostFunction, ...]:
    async def push(state: PluginState, queue: str, payload_json: str) -> str:
        """Another plugin's queue is none of the caller's. The same push by a job that is tried again is one push."""
        state.record.note_obstacle("it puts work on a queue")
        plugin = state.plugin.name
        ctx = go_deeper(state, "push")
        if state.scope.registry.find_queue(plugin, queue) is None:
            raise HostError(
                "no-such-queue", f"queue_info of this plugin declares no queue {queue[:_NAME_SHOWN]!r}."
            )
        work = WorkPluginQueue(plugin, queue, _read_data(payload_json))
        try:
            dedupe_key = make_dedupe_key(state, "push", f"{queue} {payload_json}")
            job_id = await push_work(ledger, ctx, work, dedupe_key=dedupe_key)
        except TooMany as refusal:
            raise HostError("queue-full", refusal.message) from None
        return str(job_id)

    return (HostFunction(INTERFACE, "push", push),)


def _read_data(payload_json: str) -> Any:
    if len(payload_json.encode()) > DATA_MAX:
        raise HostError("too-large", f"What is pushed may be {DATA_MAX:,} bytes of JSON.")
    try:
        return read_json(payload_json)
    except PluginDataError as mistake:
        raise HostError("bad-payload", f"What is pushed is {mistake}.") from None

"""What every job has in common that a plugin submits: how far a chain of them goes, and that no retry doubles one."""

from dataclasses import replace
from hashlib import sha256
from typing import Final

from kernel.context import Context
from kernel.log import get_logger
from kernel.sandbox.host import HostError
from kernel.tap.scope import PluginState

# How many jobs of plugins may lead to one another: a save whose tap saves, whose tap saves …
DEPTH_MAX: Final = 5

log = get_logger(__name__)


def go_deeper(state: PluginState, what: str) -> Context:
    """The context of a job that the plugin submits: one further in its chain. `what` names it for the plugin's author.

    Raises HostError in taps that come before a save, which must leave no trace when it is refused, and at the end of a
    chain.
    """
    ctx, tap = state.scope.ctx, state.tap
    if tap is not None and tap.combine == "accumulate":
        raise HostError("not-available", f"{tap.function} comes before the save and may not {what}.")
    if tap is not None and tap.combine == "deny_wins":
        raise HostError("not-available", f"{tap.function} decides about items and may not {what}.")
    if ctx.depth >= DEPTH_MAX:
        function = tap.function if tap else "a call"
        log.warning(
            "a chain of jobs was ended",
            plugin=state.plugin.name,
            tap=tap.name if tap else None,
            depth=ctx.depth,
        )
        raise HostError(
            "too-deep",
            f"{function} of plugin '{state.plugin.name}' may not {what}: {ctx.depth} jobs of plugins have led to this"
            " one, each to the next. A tap that causes itself has to see when there is nothing to do.",
        )
    return replace(ctx, depth=ctx.depth + 1)


def make_dedupe_key(state: PluginState, verb: str, text: str) -> str | None:
    """What is submitted twice in one try of a job is two jobs, in every try the same two."""
    scope = state.scope
    if scope.job_id is None:
        return None
    digest = sha256(f"{state.plugin.name} {text}".encode())
    effect = verb.encode() + digest.digest()
    scope.pushes[effect] += 1
    return f"{verb} {scope.job_id} {scope.subject} {digest.hexdigest()} {scope.pushes[effect]}"

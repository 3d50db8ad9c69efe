"""Why somebody may, or may not, do something to an item: the decision step by step, for people."""

from dataclasses import dataclass

from kernel.item.access import Operation, Step
from kernel.item.decide import Decision, decide_access
from kernel.item.model import Item
from kernel.tap.answers import NEUTRAL
from kernel.tap.scope import TapScope


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """One of the steps in their order, those that ask whether the item may be viewed first; `decides` is true of the
    one that ended it."""

    operation: Operation
    step: Step
    decides: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    operation: Operation
    is_allowed: bool
    steps: tuple[ExplainedStep, ...]


async def explain_access(scope: TapScope, item: Item, operation: Operation) -> Explanation:
    """For the actor of the scope, by the decision itself and not by another way to it."""
    (view,) = await decide_access(scope, [item], "view")
    if operation == "view":
        return Explanation("view", view.is_allowed, _mark("view", view, is_last=True))
    if not view.is_allowed:
        return Explanation(operation, False, _mark("view", view, is_last=True))
    (decision,) = await decide_access(scope, [item], operation)
    steps = (*_mark("view", view, is_last=False), *_mark(operation, decision, is_last=True))
    return Explanation(operation, decision.is_allowed, steps)


def _mark(operation: Operation, decision: Decision, *, is_last: bool) -> tuple[ExplainedStep, ...]:
    deciding = next((step for step in decision.steps if step.says != NEUTRAL), None)
    return tuple(ExplainedStep(operation, step, is_last and step is deciding) for step in decision.steps)

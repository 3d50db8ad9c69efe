"""Calls every plugin that implements a tap, in order; one that fails, fails alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from kernel.errors import PluginError
from kernel.log import get_logger
from kernel.tap.catalogue import Tap
from kernel.tap.handle import HandledItem, ItemData, apply_change
from kernel.tap.registry import Implementor
from kernel.tap.scope import TapScope
from kernel.tap.wire import PluginDataError, read_json

log = get_logger(__name__)

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Dispatched:
    """`answers` holds (plugin, answer) in calling order, only of plugins that were asked and answered.

    Of a tap with `items`, an answer is a list as long as the items, None where the plugin adds nothing or does
    not want the type. Of an accumulating tap it is the change that was made, `{"title"?, "fields"?}`.
    """

    answers: tuple[tuple[str, Any], ...] = ()
    failures: tuple[PluginError, ...] = ()


async def dispatch(
    scope: TapScope,
    tap: Tap,
    *,
    item: ItemData | None = None,
    items: Sequence[ItemData] | None = None,
    extra: Mapping[str, Any] = _NOTHING,
    plugin: str | None = None,
) -> Dispatched:
    """`item` or `items` as the tap's payload asks (each as `Item.as_data` gives it), `extra` what stands
    beside them in the payload, `plugin` the one to ask where the tap asks one. Never raises for what a plugin
    does."""
    _check_call(tap, item, items, plugin)
    call = _Call(scope, tap, [item] if item is not None else list(items or ()), extra)
    answers: list[tuple[str, Any]] = []
    for implementor in scope.registry.get_implementors(tap):
        name = implementor.plugin.name
        wanted = call.select(implementor)
        if plugin not in {None, name} or (tap.takes_items and not wanted):
            continue
        try:
            answers.append((name, await call.ask(implementor, wanted)))
        except PluginError as failure:
            call.fail(failure)
    return Dispatched(tuple(answers), tuple(call.failures))


def _check_call(
    tap: Tap, item: ItemData | None, items: Sequence[ItemData] | None, plugin: str | None
) -> None:
    """A caller that hands over the wrong thing is a mistake of ours, so it is loud."""
    if (tap.payload == "item") != (item is not None) or (tap.payload == "items") != (items is not None):
        raise TypeError(f"{tap.name} takes {tap.payload}.")
    if (tap.combine == "one") != (plugin is not None):
        raise TypeError(f"{tap.name}: `plugin` is for taps that ask one plugin.")


class _Call:
    """One dispatch while it runs: the items as they are now, and their JSON, made once per set of fields."""

    def __init__(self, scope: TapScope, tap: Tap, items: list[ItemData], extra: Mapping[str, Any]) -> None:
        self.scope = scope
        self.tap = tap
        self.items = items
        self.extra = extra
        self.failures: list[PluginError] = []
        self._encoded: dict[tuple[int, frozenset[str] | None], orjson.Fragment] = {}

    def select(self, implementor: Implementor) -> list[int]:
        return [index for index, item in enumerate(self.items) if implementor.wants(item["type"])]

    def fail(self, failure: PluginError) -> None:
        self.failures.append(failure)
        log.warning(
            "a plugin failed",
            plugin=failure.plugin,
            tap=self.tap.name,
            reason=failure.reason,
            error=failure.message,
            detail=failure.detail,
        )

    async def ask(self, implementor: Implementor, wanted: Sequence[int]) -> Any:
        """Raises PluginError, also for an answer that is not what the tap asks for."""
        payload: dict[str, Any] = {"ctx": orjson.Fragment(self.scope.ctx_json), **self.extra}
        handles: dict[int, HandledItem] = {}
        if self.tap.takes_items:
            parts = [self._add_item(implementor, index, handles) for index in wanted]
            if self.tap.payload == "items":
                payload["items"] = parts
            else:
                payload["item"] = parts[0]
        state = self.scope.get_state(implementor.plugin)
        try:
            raw = await state.invoke(self.tap, orjson.dumps(payload), handles)
        except PluginError as failure:
            raise _name_tap(failure, self.tap) from failure
        try:
            answer = self.tap.read_answer(read_json(raw))
            if self.tap.payload == "items":
                return self._spread(answer, wanted)
            if self.tap.combine == "accumulate":
                return self._accumulate(implementor, answer, handles)
        except PluginDataError as mistake:
            raise PluginError(
                implementor.plugin.name, "bad-answer", f"bad answer: {mistake}.", tap=self.tap.name
            ) from None
        return answer

    def _add_item(self, implementor: Implementor, index: int, handles: dict[int, HandledItem]) -> Any:
        item = self.items[index]
        visible = self.scope.registry.get_visible_fields(implementor, item["type"])
        by_handle = implementor.options.data_mode == "handle"
        if by_handle or self.tap.combine == "accumulate":
            number = self.scope.next_handle()
            handles[number] = HandledItem(item, visible, may_change=self.tap.combine == "accumulate")
            if by_handle:
                return {"handle": number}
        encoded = self._encoded.get((index, visible))
        if encoded is None:
            encoded = self._encoded[index, visible] = orjson.Fragment(_encode_item(item, visible))
        return encoded

    def _spread(self, answer: list[Any], wanted: Sequence[int]) -> list[Any]:
        """Puts each answer beside its item again, since the plugin saw only those that it wants."""
        if len(answer) != len(wanted):
            raise PluginDataError(f"{len(answer)} render elements for {len(wanted)} items")
        if len(wanted) == len(self.items):
            return answer
        spread: list[Any] = [None] * len(self.items)
        for index, tree in zip(wanted, answer, strict=True):
            spread[index] = tree
        return spread

    def _accumulate(
        self, implementor: Implementor, answer: Mapping[str, Any], handles: Mapping[int, HandledItem]
    ) -> dict[str, Any]:
        (handled,) = handles.values()
        handled.take_change(answer)
        if handled.refused:
            self.fail(
                PluginError(
                    implementor.plugin.name,
                    "refused-capability",
                    f"may not change {', '.join(sorted(handled.refused))}:"
                    f" not among the `fields` that its manifest gives under [taps.options.{self.tap.name}].",
                    tap=self.tap.name,
                )
            )
        change = handled.change
        if change:
            self.items = [apply_change(self.items[0], change)]
            self._encoded.clear()
        return change


def _encode_item(item: ItemData, visible: frozenset[str] | None) -> bytes:
    if visible is None:
        return orjson.dumps(item)
    fields = {name: field for name, field in item["fields"].items() if name in visible}
    return orjson.dumps({**item, "fields": fields})


def _name_tap(failure: PluginError, tap: Tap) -> PluginError:
    """The sandbox does not know every failure's tap: taking an instance belongs to none."""
    if failure.tap is not None:
        return failure
    prefix = f"Plugin '{failure.plugin}': "
    return PluginError(
        failure.plugin,
        failure.reason,
        failure.message.removeprefix(prefix),
        tap=tap.name,
        detail=failure.detail,
    )

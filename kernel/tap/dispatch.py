"""Calls every plugin that implements a tap, in order; one that fails, fails alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import orjson

from kernel.errors import PluginError, PluginFailure
from kernel.log import get_logger
from kernel.profile import note_time
from kernel.tap.answers import DENY
from kernel.tap.catalogue import Tap
from kernel.tap.fragment import (
    Kept,
    build_item_key,
    build_place,
    build_place_key,
    find_obstacle,
    find_variance,
    is_for_all,
    tell_items,
)
from kernel.tap.handle import NOT_ASKED_FOR, HandledItem, ItemData, apply_change
from kernel.tap.record import Record
from kernel.tap.registry import Implementor
from kernel.tap.scope import TapScope
from kernel.tap.wire import PluginDataError, read_json
from kernel.tap.witness import Outcome

log = get_logger(__name__)

# Of item JSON in one call; half of what the sandbox lets through.
BATCH_BYTES: Final = 500_000
# In one call, which shares the host calls of one tap among them.
BATCH_ITEMS: Final = 25

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Dispatched:
    """`answers` holds (plugin, answer) in calling order, only of plugins that were asked and answered.

    Of a tap with `items`, an answer is a list as long as the items, None where the plugin adds nothing, does not want
    the type, or was not asked since another one denies. A plugin that fails where Deny wins has answered it. Of an
    accumulating tap it is the change that was made, `{"title"?, "fields"?}`.
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
    timeout_s: float | None = None,
    told: Record | None = None,
) -> Dispatched:
    """`item` or `items` as the tap's payload asks (each as `Item.as_data` gives it), `extra` what stands
    beside them in the payload, `plugin` the one to ask where the tap asks one, `timeout_s` a time in
    place of the tap's own, `told` what being asked with `extra` tells of the user. Never raises for what a plugin
    does."""
    _check_call(tap, item, items, plugin)
    given = [item] if item is not None else list(items or ())
    call = _Call(scope, tap, given, extra, timeout_s=timeout_s, told=told)
    asked = [
        (implementor, wanted)
        for implementor in scope.registry.get_implementors(tap)
        if plugin in {None, implementor.plugin.name}
        and ((wanted := call.select(implementor)) or not tap.takes_items)
    ]
    await call.recall(asked)
    answers: list[tuple[str, Any]] = call.answer_for_away() if tap.combine == "deny_wins" else []
    for implementor, wanted in asked:
        name = implementor.plugin.name
        left = call.list_open(wanted)
        if wanted and not left:
            continue
        try:
            answers.append((name, call.settle(await call.ask(implementor, left))))
        except PluginError as failure:
            call.fail(implementor, failure)
            if tap.combine == "deny_wins":
                answers.append((name, call.settle(call.deny(left))))
    if scope.fragments is not None:
        await scope.fragments.flush()
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

    def __init__(
        self,
        scope: TapScope,
        tap: Tap,
        items: list[ItemData],
        extra: Mapping[str, Any],
        *,
        timeout_s: float | None,
        told: Record | None,
    ) -> None:
        self.scope = scope
        self.tap = tap
        self.items = items
        self.extra = extra
        self.timeout_s = timeout_s
        self.failures: list[PluginError] = []
        self._encoded: dict[tuple[int, frozenset[str] | None], bytes] = {}
        # Of a page, everything that it is asked with.
        self._place = build_place(extra) if tap.is_kept and not tap.takes_items else ""
        self._told = told
        self._kept: dict[str, Kept] = {}
        self._denied: set[int] = set()

    def select(self, implementor: Implementor) -> list[int]:
        return [index for index, item in enumerate(self.items) if implementor.wants(item["type"])]

    def list_open(self, wanted: Sequence[int]) -> Sequence[int]:
        """Without those about which a plugin before has decided."""
        return [index for index in wanted if index not in self._denied] if self._denied else wanted

    def settle(self, answer: Any) -> Any:
        if self.tap.combine == "deny_wins":
            self._denied.update(index for index, verdict in enumerate(answer) if verdict == DENY)
        return answer

    def deny(self, wanted: Sequence[int]) -> list[str | None]:
        """The answer that a failure stands for."""
        chosen = set(wanted)
        return [DENY if index in chosen else None for index in range(len(self.items))]

    def answer_for_away(self) -> list[tuple[str, Any]]:
        """Whoever should decide and cannot be asked denies."""
        answers = []
        for name, options in self.scope.registry.list_away(self.tap):
            wanted = [
                i for i in self.list_open(range(len(self.items))) if options.wants(self.items[i]["type"])
            ]
            if wanted:
                answers.append((name, self.settle(self.deny(wanted))))
                self.failures.append(
                    PluginError(
                        name, "tap-not-implemented", "it is stopped or not loaded.", tap=self.tap.name
                    )
                )
        return answers

    def fail(self, implementor: Implementor, failure: PluginError) -> None:
        self.failures.append(failure)
        plugin = implementor.plugin
        plugin.watch.note_failure(
            plugin.name, plugin.component.sha256, self.tap.name, failure, self.scope.ctx.request_id
        )
        log.warning(
            "a plugin failed",
            plugin=failure.plugin,
            tap=self.tap.name,
            reason=failure.reason,
            error=failure.message,
            detail=failure.detail,
        )

    async def recall(self, asked: Sequence[tuple[Implementor, Sequence[int]]]) -> None:
        """Find what was answered before, to all plugins and for all items at once."""
        fragments = self.scope.fragments
        if fragments is None or not self.tap.is_kept:
            return
        if self.tap.takes_items:
            keys = [self._key(implementor, index) for implementor, wanted in asked for index in wanted]
            self._kept = await fragments.find(keys, _leave)
        else:
            keys = [self._key(implementor) for implementor, _ in asked]
            self._kept = await fragments.find(keys, self.tap.read_answer)

    async def ask(self, implementor: Implementor, wanted: Sequence[int]) -> Any:
        """Raises PluginError, also for an answer that is not what the tap asks for."""
        if self.tap.payload != "items":
            kept = self._find_kept(implementor)
            return await self._ask_once(implementor, wanted) if kept is None else kept.answer
        spread: list[Any] = [None] * len(self.items)
        missing: list[int] = []
        for index in wanted:
            kept = self._find_kept(implementor, index)
            if kept is None:
                missing.append(index)
            else:
                spread[index] = kept.answer
        for batch in self._split(implementor, missing):
            for index, tree in zip(batch, await self._ask_once(implementor, batch), strict=True):
                spread[index] = tree
        return spread

    def _key(self, implementor: Implementor, index: int | None = None) -> str:
        if index is None:
            return build_place_key(implementor, self.tap, self.scope.ctx, self._place)
        item = self.items[index]
        is_own = self.scope.registry.get_visible_fields(implementor, item["type"]) is None
        return build_item_key(implementor, self.tap, self.scope.ctx, item, is_own=is_own)

    def _find_kept(self, implementor: Implementor, index: int | None = None) -> Kept | None:
        if not self._kept:
            return None
        kept = self._kept.get(self._key(implementor, index))
        if kept is not None:
            self._note(implementor, index, "hit", kept.recall())
        return kept

    def _note(self, implementor: Implementor, index: int | None, outcome: Outcome, record: Record) -> None:
        plugin = implementor.plugin
        subject = "" if index is None else str(self.items[index]["id"])
        self.scope.witness.note(plugin.name, self.tap.function, subject, outcome, record)
        plugin.component.metrics.count_fragments(plugin.name, outcome, 1)

    def _keep(self, implementor: Implementor, wanted: Sequence[int], answer: Any, told: Record) -> None:
        """Each answer of the call depends on all that the instance has learned until now."""
        record = self.scope.get_state(implementor.plugin).record.copy()
        if not self.tap.is_kept:
            self.scope.witness.record.merge(record)
            return
        obstacle = find_obstacle(record, self._place)
        variance = find_variance(record, told)
        parts = zip(wanted, answer, strict=True) if self.tap.takes_items else [(None, answer)]
        for index, part in parts:
            reason = obstacle
            if not reason and self.scope.fragments is not None:
                reason = self.scope.fragments.offer(self._key(implementor, index), part, record, variance)
            own = record
            if reason != record.obstacle:
                own = record.copy()
                own.note_obstacle(reason)
            is_made = self.scope.fragments is not None and not reason
            self._note(implementor, index, "made" if is_made else "not_kept", own)

    def _tell(self, wanted: Sequence[int]) -> Record:
        """What a plugin learns by being asked."""
        if self.tap.takes_items:
            return tell_items([self.items[index] for index in wanted])
        told = self._told.copy() if self._told is not None else Record()
        if self._place:
            told.note_place(self._place)
        return told

    async def _ask_once(self, implementor: Implementor, wanted: Sequence[int]) -> Any:
        started, outcome = perf_counter(), "cancelled"
        try:
            async with self.scope.call():
                answer = await self._exchange(implementor, wanted)
            outcome = "ok"
            return answer
        except PluginError as failure:
            outcome = failure.reason
            raise
        finally:
            seconds = perf_counter() - started
            note_time("taps", seconds)
            plugin = implementor.plugin
            plugin.component.metrics.count_tap(plugin.name, self.tap.name, outcome, seconds)
            plugin.watch.note_call(plugin.name, self.tap.name, seconds)

    async def _exchange(self, implementor: Implementor, wanted: Sequence[int]) -> Any:
        """Ask with a payload, check the answer."""
        payload: dict[str, Any] = {"ctx": orjson.Fragment(self.scope.ctx_json), **self.extra}
        handles: dict[int, HandledItem] = {}
        parts = [self._present(implementor, index, handles) for index in wanted]
        if self.tap.payload == "items":
            payload["items"] = parts
        elif self.tap.payload == "item":
            payload["item"] = parts[0]
        state, told = self.scope.get_state(implementor.plugin), self._tell(wanted)
        try:
            raw = await state.invoke(self.tap, orjson.dumps(payload), handles, self.timeout_s, told)
        except PluginError as failure:
            if failure.tap is not None:
                raise
            raise _name_tap(failure, self.tap) from failure
        try:
            answer = self.tap.read_answer(read_json(raw))
            if self.tap.payload == "items" and len(answer) != len(wanted):
                raise PluginDataError(f"{len(answer)} answers for {len(wanted)} items")
        except PluginDataError as mistake:
            raise self._failure(implementor, "bad-answer", f"bad answer: {mistake}.") from None
        except (
            Exception
        ) as error:  # what trips a reader of ours is this plugin's failure, and not that of the page
            log.exception("an answer of a plugin could not be read", plugin=implementor.plugin.name)
            raise self._failure(implementor, "bad-answer", "bad answer: it cannot be read.") from error
        self._keep(implementor, wanted, answer, told)
        if self.tap.combine == "accumulate":
            return self._accumulate(implementor, answer, handles)
        return answer

    def _split(self, implementor: Implementor, wanted: Sequence[int]) -> list[list[int]]:
        """Batches that fit into a call, since a listing of long texts would not. What only some may see comes last and
        apart: an instance that has seen it answers for its user alone."""
        batches: list[list[int]] = []
        size, is_public = 0, True
        for index in sorted(wanted, key=lambda index: not is_for_all(self.items[index])):
            by_handle = implementor.options.data_mode == "handle"
            length = 0 if by_handle else len(self._encode(implementor, index))
            size += length
            is_full = size > BATCH_BYTES or not batches or len(batches[-1]) >= BATCH_ITEMS
            if is_full or is_public != is_for_all(self.items[index]):
                batches.append([])
                size, is_public = length, is_for_all(self.items[index])
            batches[-1].append(index)
        return batches

    def _present(self, implementor: Implementor, index: int, handles: dict[int, HandledItem]) -> Any:
        """The item as it stands in the payload; what can be changed or asked for is added to `handles`."""
        by_handle = implementor.options.data_mode == "handle"
        if by_handle or self.tap.combine == "accumulate":
            item = self.items[index]
            visible = self.scope.registry.get_visible_fields(implementor, item["type"])
            number = self.scope.next_handle()
            handles[number] = HandledItem(item, visible, may_change=self.tap.combine == "accumulate")
            if by_handle:
                return {"handle": number}
        return orjson.Fragment(self._encode(implementor, index))

    def _encode(self, implementor: Implementor, index: int) -> bytes:
        item = self.items[index]
        visible = self.scope.registry.get_visible_fields(implementor, item["type"])
        encoded = self._encoded.get((index, visible))
        if encoded is None:
            encoded = self._encoded[index, visible] = _encode_item(item, visible)
        return encoded

    def _accumulate(
        self, implementor: Implementor, answer: Mapping[str, Any], handles: Mapping[int, HandledItem]
    ) -> dict[str, Any]:
        (handled,) = handles.values()
        handled.take_change(answer)
        if handled.refused:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(handled.refused.items()))
            not_asked_for = NOT_ASKED_FOR in handled.refused.values()
            self.fail(
                implementor,
                self._failure(
                    implementor,
                    "refused-capability" if not_asked_for else "bad-answer",
                    f"could not change everything: {reasons}.",
                ),
            )
        change = handled.change
        if change:
            self.items = [apply_change(self.items[0], change)]
            self._encoded.clear()
        return change

    def _failure(self, implementor: Implementor, reason: PluginFailure, message: str) -> PluginError:
        return PluginError(implementor.plugin.name, reason, message, tap=self.tap.name)


def _encode_item(item: ItemData, visible: frozenset[str] | None) -> bytes:
    if visible is None:
        return orjson.dumps(item)
    fields = {name: field for name, field in item["fields"].items() if name in visible}
    return orjson.dumps({**item, "fields": fields})


def _leave(answer: Any) -> Any:
    """Trees are kept as they were checked."""
    return answer


def _name_tap(failure: PluginError, tap: Tap) -> PluginError:
    """The sandbox does not know every failure's tap: taking an instance belongs to none."""
    prefix = f"Plugin '{failure.plugin}': "
    return PluginError(
        failure.plugin,
        failure.reason,
        failure.message.removeprefix(prefix),
        tap=tap.name,
        detail=failure.detail,
    )

"""Makes a recorded call of a plugin again, in the sandbox, with the answers that it was given then."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kernel.errors import PluginError
from kernel.plugin.artefacts import Artefacts
from kernel.plugin.load import get_limits
from kernel.plugin.model import get_ceilings
from kernel.runtime import Runtime
from kernel.sandbox.contract import Signature, read_contract
from kernel.sandbox.host import HostError, HostFunction
from kernel.sandbox.sandbox import Component, Sandbox
from kernel.supervision.recording import HIDDEN
from kernel.supervision.store import Failure
from kernel.tap.catalogue import find_tap


@dataclass(frozen=True, slots=True)
class Replayed:
    """`answer` is JSON in text; without one `failure` says how it failed. `unknown` are questions to which the
    recording has no answer."""

    answer: str | None
    failure: PluginError | None
    unknown: tuple[str, ...]

    def is_same(self, recorded: Failure) -> bool:
        """Whether it failed as it did then."""
        return self.failure is not None and self.failure.reason == recorded.reason


class _Player:
    """Answers what was answered then. The state of the instance."""

    def __init__(self, questions: Sequence[dict[str, Any]]) -> None:
        self.left = list(questions)
        self.unknown: list[str] = []

    def answer(self, function: str, arguments: Sequence[Any]) -> Any:
        """Questions may come in another order than then. Raises HostError for those that were not asked."""
        for question in self.left:
            if question["function"] == function and _is_same(question["arguments"], arguments):
                self.left.remove(question)
                if "refusal" in question:
                    raise HostError(**question["refusal"])
                return question["answer"]
        self.unknown.append(function)
        raise HostError("not-available", "This was not asked when the call was recorded.")


async def replay_call(
    rt: Runtime, recorded: Failure, recording: dict[str, Any], wasm: Path | None = None
) -> Replayed:
    """With the artefact that failed, or with the one at `wasm`. Raises PluginError when that cannot be loaded."""
    functions = [_make_function(signature) for signature in read_contract().functions]
    sandbox = await Sandbox.open(functions, cache_dir=rt.config.var / "native", ready_instances=0)
    player = _Player(recording["transcript"])
    try:
        component = await _load(rt, sandbox, recorded, wasm)
        instance = await component.take(player)
        tap = find_tap(recorded.tap)
        try:
            answer = await instance.invoke(
                recording["name"],
                orjson.dumps(recording["payload"]),
                cpu_ms=tap.cpu_ms if tap else None,
                timeout_s=tap.timeout_s if tap else None,
            )
            return Replayed(answer.decode(), None, tuple(player.unknown))
        except PluginError as failure:
            return Replayed(None, failure, tuple(player.unknown))
        finally:
            instance.close()
    finally:
        await sandbox.close()


async def _load(rt: Runtime, sandbox: Sandbox, recorded: Failure, wasm: Path | None) -> Component:
    limits = get_limits(get_ceilings(rt.config))
    if wasm is not None:
        return await sandbox.load(recorded.plugin, wasm, limits)
    artefacts = Artefacts(rt.db, rt.config.plugins_dir, rt.config.var / "artefacts")
    return await sandbox.load_known(
        recorded.plugin,
        recorded.sha256,
        lambda: artefacts.find(recorded.plugin, recorded.sha256),
        limits,
    )


def _is_same(recorded: Sequence[Any], arguments: Sequence[Any]) -> bool:
    """Where something was hidden in the recording, the rest has to do."""
    return len(recorded) == len(arguments) and all(
        then == now or (isinstance(then, str) and HIDDEN in then)
        for then, now in zip(recorded, arguments, strict=True)
    )


def _make_function(signature: Signature) -> HostFunction:
    def call(player: _Player, *arguments: Any) -> Any:
        return player.answer(signature.full_name, arguments)

    return HostFunction(signature.interface, signature.name, call)

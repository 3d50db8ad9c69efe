"""The engine that all plugins of a process share, and the ticker that makes running plugins give way."""

import platform
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime
from wasmtime.component import Component

TICK_S: Final = 0.0015
# After this many ticks without a plugin the thread sleeps, since idle ticking costs 1.2 % of a core.
_TICKS_BEFORE_SLEEP: Final = 14
WASMTIME_VERSION: Final = "50.0.1"


class Engine:
    """Each tick makes a running plugin yield to the event loop; `enter` and `leave` say when one runs.

    One thread enters: the event loop's. Native code is loaded in other threads, also when nobody waits for it any more.
    """

    def __init__(self) -> None:
        installed = version("wasmtime")
        if installed != WASMTIME_VERSION:
            raise RuntimeError(
                f"The sandbox needs wasmtime {WASMTIME_VERSION}, and {installed} is installed."
            )
        config = wasmtime.Config()
        config.wasm_component_model = True
        config.epoch_interruption = True
        self.native = wasmtime.Engine(config)
        self.is_ticking = False
        self._inside = False
        self._entries = 0
        self._closed = False
        self._loads = 0
        self._idle = threading.Condition()
        self._wake = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="sandbox-ticker", daemon=True)
        self._ticker.start()

    def enter(self) -> None:
        # The ticker falls asleep in the other order (says so, then looks), so that neither misses the other.
        self._inside = True
        self._entries += 1
        if not self.is_ticking:
            self._wake.set()

    def leave(self) -> None:
        self._inside = False

    def load(self, code: Path) -> Component:
        """For a thread of its own: it takes milliseconds. Raises WasmtimeError, also once the engine is closed."""
        with self._idle:
            if self._closed:
                raise wasmtime.WasmtimeError("The sandbox is closed.")
            self._loads += 1
        try:
            return Component.deserialize_file(self.native, str(code))
        finally:
            with self._idle:
                self._loads -= 1
                self._idle.notify_all()

    def close(self) -> None:
        """A load that is under way ends first: without its engine it would take the process with it."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._loads)
        self._wake.set()
        self._ticker.join()
        self.native.close()

    def _tick(self) -> None:
        seen = quiet = 0
        while not self._closed:
            if quiet < _TICKS_BEFORE_SLEEP:
                time.sleep(TICK_S)
                self.native.increment_epoch()
                quiet = 0 if self._inside or self._entries != seen else quiet + 1
                seen = self._entries
                continue
            self.is_ticking = False
            if not self._inside and self._entries == seen:
                self._wake.wait()
            self._wake.clear()
            self.is_ticking = True
            quiet = 0


def describe_native_target() -> str:
    """What native code depends on beside the component: compiler, settings, processor."""
    compiler = f"wasmtime {WASMTIME_VERSION}, component-model, epoch-interruption"
    return f"{compiler}\n{_describe_processor()}"


def _describe_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    first = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return "\n".join([platform.machine(), *sorted(first)])

"""Compiles one component into the cache of native code: `python -m kernel.sandbox.compile WASM CACHE`."""

import hashlib
import sys
from pathlib import Path

from wasmtime import WasmtimeError
from wasmtime.component import Component as NativeComponent

from kernel.sandbox.artefact import NativeCache
from kernel.sandbox.engine import Engine


def compile_component(wasm: Path, folder: Path) -> None:
    """Does nothing when another process was faster. Raises WasmtimeError."""
    data = wasm.read_bytes()
    cache = NativeCache(folder)
    key = cache.key(hashlib.sha256(data).hexdigest())
    with cache.lock(key):
        if cache.find(key) is not None:
            return
        engine = Engine()
        try:
            cache.put(key, bytes(NativeComponent(engine.native, data).serialize()))
        finally:
            engine.close()


def main() -> None:
    try:
        compile_component(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, WasmtimeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

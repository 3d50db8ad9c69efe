"""Compiles one component into the cache of native code: `python -m kernel.sandbox.compile WASM CACHE`."""

import hashlib
import resource
import sys
from pathlib import Path
from typing import Final

from wasmtime import WasmtimeError
from wasmtime.component import Component as NativeComponent

from kernel.sandbox.artefact import BAD_COMPONENT, NativeCache
from kernel.sandbox.engine import Engine

CPU_S: Final = 300
MEMORY_BYTES: Final = 12 * 2**30


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
    """Bounded, since the component may be anybody's: a plugin in Python takes 5 s of processor time and 1.5 GB."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        compile_component(Path(sys.argv[1]), Path(sys.argv[2]))
    except WasmtimeError as error:
        sys.stderr.write(str(error))
        sys.exit(BAD_COMPONENT)
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

"""What a plugin learns of the clock and of chance: the truth, and its instance takes note that it asked.

Everything else comes to a plugin through kernel.wit. With these two noted, whoever uses an instance knows all that its
answers can depend on.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from kernel.sandbox.bindings import error_pointer, make_sync_callback
from kernel.sandbox.imports import Guest
from kernel.sandbox.values import read_u64, write_bytes, write_record, write_tuple, write_u32, write_u64

# In bytes, of one question; interpreters ask for 256 at most.
RANDOM_MAX: Final = 65_536
TOO_MUCH: Final = "asked for too many random bytes at once"
_SECOND_NS: Final = 1_000_000_000

Tell = Callable[[Any, Any], None]


def list_senses(guests: Mapping[int, Guest]) -> dict[str, dict[str, Any]]:
    """Callbacks by interface and name. `guests` maps the address of a store's context to its instance."""
    began_ns = time.monotonic_ns()

    def tell_instant(_arguments: Any, results: Any) -> None:
        write_u64(results[0], time.monotonic_ns() - began_ns)

    def clock(tell: Tell) -> Any:
        return make_sync_callback(0, _note(guests, Guest.note_clock, tell))

    def chance(arity: int, tell: Tell) -> Any:
        return make_sync_callback(arity, _note(guests, Guest.note_chance, tell))

    return {
        "wasi:clocks/wall-clock": {"now": clock(_tell_time)},
        "wasi:clocks/monotonic-clock": {"now": clock(tell_instant)},
        "wasi:random/random": {
            "get-random-bytes": chance(1, _tell_bytes),
            "get-random-u64": chance(0, _tell_number),
        },
        "wasi:random/insecure": {
            "get-insecure-random-bytes": chance(1, _tell_bytes),
            "get-insecure-random-u64": chance(0, _tell_number),
        },
        "wasi:random/insecure-seed": {"insecure-seed": chance(0, _tell_seed)},
    }


def _note(
    guests: Mapping[int, Guest], note: Callable[[Guest], None], tell: Tell
) -> Callable[[int, Any, Any], int | None]:
    def answer(context: int, arguments: Any, results: Any) -> int | None:
        guest = guests[context]
        try:
            note(guest)
            tell(arguments, results)
        except Exception as error:  # noqa: BLE001  # nothing may be raised into wasmtime; the plugin traps
            return error_pointer(str(error))
        except BaseException as error:  # noqa: BLE001  # wasmtime cannot carry it; the driver raises it
            guest.interrupt = error
            return error_pointer("interrupted")
        return None

    return answer


def _tell_time(_arguments: Any, results: Any) -> None:
    seconds, nanoseconds = divmod(time.time_ns(), _SECOND_NS)
    write_record(results[0], {"seconds": (write_u64, seconds), "nanoseconds": (write_u32, nanoseconds)})


def _tell_bytes(arguments: Any, results: Any) -> None:
    length = read_u64(arguments[0])
    if length > RANDOM_MAX:
        raise ValueError(TOO_MUCH)
    write_bytes(results[0], os.urandom(length))


def _tell_number(_arguments: Any, results: Any) -> None:
    write_u64(results[0], int.from_bytes(os.urandom(8)))


def _tell_seed(_arguments: Any, results: Any) -> None:
    write_tuple(results[0], [int.from_bytes(os.urandom(8)), int.from_bytes(os.urandom(8))])

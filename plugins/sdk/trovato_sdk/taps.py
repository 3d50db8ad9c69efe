"""The taps that exist, and the decorator that makes a function of a plugin one of them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

# What each tap's function may ask for, by the names of its parameters, as in the kernel's catalogue.
TAPS: Final[dict[str, tuple[str, ...]]] = {
    "item_info": ("ctx",),
    "item_presave": ("item", "op", "ctx"),
    "item_insert": ("item", "ctx"),
    "item_update": ("item", "ctx"),
    "item_delete": ("item", "ctx"),
    "item_view": ("item", "ctx"),
    "item_access": ("item", "operation", "ctx"),
    "item_update_index": ("item", "ctx"),
    "menu": ("ctx",),
    "perm": ("ctx",),
    "page": ("request", "ctx"),
    "form_alter": ("form", "ctx"),
    "form_validate": ("form_id", "values", "ctx"),
    "form_submit": ("form_id", "values", "ctx"),
    "cron": ("now", "last_run", "slot", "ctx"),
    "queue_info": ("ctx",),
    "queue_worker": ("queue", "data", "attempt", "job_id", "ctx"),
    "install": ("ctx",),
    "enable": ("ctx",),
    "disable": ("ctx",),
    "upgrade": ("from_version", "ctx"),
    "uninstall": ("keeps_data", "ctx"),
}
# Those of them that are points in time; a function is handed them as `datetime`.
TIMES: Final = frozenset({"now", "last_run", "slot"})
PREFIX: Final = "tap_"
_MARK: Final = "__trovato_tap__"


class TapDefinitionError(Exception):
    """The plugin cannot be built as it is written; the text says what to change."""


class TapContext(NamedTuple):
    """Where the call happens. Who asks is not in it: see `trovato_sdk.user`."""

    stage: str = "live"
    language: str = "en"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`args` are the `{name}` segments of the menu path, `function` what the menu definition says."""

    path: str
    args: dict[str, str] = field(default_factory=dict)
    function: str = ""


@dataclass(frozen=True, slots=True)
class TapFunction:
    """`parameters` are those of TAPS that the function wants."""

    name: str
    call: Callable[..., Any]
    parameters: tuple[str, ...]


def tap(function: Function) -> Function:
    """Make the function a tap: `item_view` is called for `tap_item_view`.

    Its parameters are found by name, and it takes only those it wants: `def item_view(item)` is as good as
    `def item_view(item, ctx)`. Raises TapDefinitionError, so that a mistake ends the build.
    """
    name = function.__name__
    known = TAPS.get(name)
    if known is None:
        near = get_close_matches(name.removeprefix(PREFIX), TAPS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise TapDefinitionError(
            f"There is no tap for a function {name}. {hint}The taps are {', '.join(TAPS)}."
        )
    parameters = tuple(inspect.signature(function).parameters)
    unknown = [parameter for parameter in parameters if parameter not in known]
    if unknown:
        raise TapDefinitionError(f"{name} asks for {unknown[0]}, but this tap has: {', '.join(known)}.")
    setattr(function, _MARK, parameters)
    return function


def list_taps(module: ModuleType) -> list[TapFunction]:
    """The taps of a plugin: the decorated functions that its main module holds, its imports included."""
    return [
        TapFunction(value.__name__, value, getattr(value, _MARK))
        for value in vars(module).values()
        if inspect.isfunction(value) and hasattr(value, _MARK)
    ]

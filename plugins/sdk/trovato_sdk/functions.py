"""The decorator that offers a function of a plugin to other plugins."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

from trovato_sdk.taps import TapDefinitionError, TapFunction

Function = TypeVar("Function", bound=Callable[..., Any])

# Before a function's name where the kernel asks for it, so that no function can be taken for a tap.
FUNCTION_PREFIX: Final = "function:"
_PARAMETERS: Final = ("data", "ctx")
_MARK: Final = "__trovato_function__"


def offer(function: Function) -> Function:
    """Let other plugins call the function, by its name: `trovato_sdk.plugins.call("blog", "get_featured", …)`.

    It may take `data`, what the caller hands over, and `ctx`, and answers anything that JSON can hold. The manifest
    lists it too: `[functions] offers = ["get_featured"]`. Raises TapDefinitionError, so that a mistake ends the build.
    """
    parameters = tuple(inspect.signature(function).parameters)
    unknown = [parameter for parameter in parameters if parameter not in _PARAMETERS]
    if unknown:
        name = function.__name__
        raise TapDefinitionError(
            f"{name} asks for {unknown[0]}, but a function for other plugins has: {', '.join(_PARAMETERS)}."
        )
    setattr(function, _MARK, parameters)
    return function


def list_functions(module: ModuleType) -> list[TapFunction]:
    """The functions that a plugin offers: the decorated ones that its main module holds, its imports included."""
    return [
        TapFunction(value.__name__, value, getattr(value, _MARK))
        for value in vars(module).values()
        if inspect.isfunction(value) and hasattr(value, _MARK)
    ]

"""Answers the kernel's calls with the functions of a plugin, inside the sandbox and outside of it."""

import json
import traceback
from collections.abc import Callable
from datetime import datetime
from types import ModuleType
from typing import Any, Final

from trovato_sdk.forms import Form
from trovato_sdk.functions import FUNCTION_PREFIX, list_functions
from trovato_sdk.item import Item, ItemData, read_item
from trovato_sdk.render import RenderElement, container, link, markup
from trovato_sdk.taps import PREFIX, TIMES, PageRequest, TapContext, TapFunction, list_taps
from trovato_sdk.version import SDK_VERSION

# Frames of a traceback that are worth sending, counted from where the error is.
_FRAMES: Final = 20
# Asked of each new instance, so that the first real call finds touched what nearly every call touches.
WARM_UP: Final = "warm_up"
_PRESAVE: Final = "item_presave"


class TapFailedError(Exception):
    """A call of a plugin failed; the text says how, for people.

    `code` is "tap-error", "tap-not-implemented", "bad-answer" or "exit"; `type` and `message` are those of the
    exception that the plugin's function raised, which is the cause of this one."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        type: str = "",  # noqa: A002  # the kernel's word for it
        traceback: str = "",
    ) -> None:
        super().__init__(f"{code}: {f'{type}: ' if type else ''}{message}")
        self.code = code
        self.type = type
        self.message = message
        self.traceback = traceback

    @property
    def answer(self) -> str:
        """The JSON error that the kernel is answered."""
        told = {"code": self.code, "message": self.message}
        if self.type:
            told |= {"type": self.type, "traceback": self.traceback}
        return json.dumps(told)


class BadAnswerError(Exception):
    """A tap's function returned what cannot be sent."""


class Plugin:
    """A plugin as the kernel calls it: by the name of a tap, with JSON in and out."""

    def __init__(self, name: str, module: ModuleType) -> None:
        self._name = name
        self._taps = {PREFIX + function.name: function for function in list_taps(module)}
        self._functions = {FUNCTION_PREFIX + offered.name: offered for offered in list_functions(module)}

    def describe(self) -> str:
        """Its name, the SDK's version, and what it really implements, as JSON."""
        functions = sorted(offered.name for offered in self._functions.values())
        return json.dumps(
            {"name": self._name, "sdk": SDK_VERSION, "taps": sorted(self._taps), "functions": functions}
        )

    def invoke(self, tap: str, payload: str) -> str:
        """Raises TapFailedError, whatever the plugin's function does."""
        function = self._taps.get(tap) or self._functions.get(tap)
        if function is None:
            if tap == WARM_UP:
                _encode(_run(_REHEARSAL, json.loads(payload)))
            message = f"is not implemented; implemented are {', '.join(sorted(self._taps)) or 'none'}"
            raise TapFailedError("tap-not-implemented", message)
        try:
            answer = _run(function, json.loads(payload))
            text = _encode(answer)
            text.encode()
        except BadAnswerError as error:
            raise _failure("bad-answer", error) from None
        except UnicodeEncodeError as error:
            half = BadAnswerError(f"the answer holds half a character: {error}")
            raise _failure("bad-answer", half) from None
        except SystemExit as error:
            raise _failure("exit", error) from error
        except BaseException as error:  # nothing but a failure may leave a plugin
            raise _failure("tap-error", error) from error
        return text


def _run(function: TapFunction, data: dict[str, Any]) -> Any:
    arguments: dict[str, Any] = {}
    for parameter in function.parameters:
        if parameter == "ctx":
            arguments["ctx"] = TapContext(**data.get("ctx", {}))
        elif parameter == "request":
            arguments["request"] = PageRequest(**data["request"])
        elif parameter == "form":
            arguments["form"] = Form(data["form"])
        elif parameter in TIMES:
            arguments[parameter] = _read_time(data.get(parameter))
        elif parameter != "item":
            arguments[parameter] = data.get(parameter)
    items = data.get("items")
    if items is not None:
        return [_run_for_item(function, arguments, item) for item in items]
    if "item" in data:
        return _run_for_item(function, arguments, data["item"])
    answer = function.call(**arguments)
    return _take_changes(function, arguments["form"], answer) if "form" in arguments else answer


def _take_changes(function: TapFunction, form: Form, answer: Any) -> dict[str, Any] | None:
    if answer is not None:
        raise BadAnswerError(f"{function.name} changes the form it is given and returns nothing")
    return form.changes


def _read_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _run_for_item(function: TapFunction, arguments: dict[str, Any], data: dict[str, Any]) -> Any:
    item = read_item(data)
    given = {"item": item, **arguments} if "item" in function.parameters else arguments
    answer = function.call(**given)
    if function.name != _PRESAVE:
        return answer
    if answer is not None:
        raise BadAnswerError(f"{_PRESAVE} changes the item it is given and returns nothing")
    return (item.changes if isinstance(item, ItemData) else None) or None


def _as_data(value: Any) -> Any:
    convert: Callable[[], Any] | None = getattr(value, "as_data", None)
    if convert is None:
        raise BadAnswerError(f"a value of type {type(value).__name__} cannot be sent to the kernel")
    return convert()


def _encode(answer: Any) -> str:
    try:
        return _ENCODER.encode(answer)
    except (TypeError, ValueError) as error:
        raise BadAnswerError(f"the answer cannot be sent to the kernel: {error}") from None


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_data
)


def _failure(code: str, error: BaseException) -> TapFailedError:
    try:
        told = "".join(traceback.format_exception(error, limit=-_FRAMES))
    except MemoryError:
        told = ""  # the plugin's name for what it ran out of is worth more than its place
    return TapFailedError(code, str(error), type=type(error).__name__, traceback=told)


def _rehearse(item: Item, ctx: TapContext) -> RenderElement:
    body = markup(item.text("field_body") or "", format="filtered_html", classes="body")
    return container(link(item.title, "/" + item.type), body, tag="article", language=markup(ctx.language))


_REHEARSAL: Final = TapFunction("item_view", _rehearse, ("item", "ctx"))

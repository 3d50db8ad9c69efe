"""Checks what plugins answer about forms: inputs that they add, words that they change, complaints about values."""

from collections.abc import Mapping
from typing import Any, Final

from kernel.names import is_machine_name
from kernel.tap.wire import PluginDataError

ADDED_MAX: Final = 20
OPTIONS_MAX: Final = 200
# In characters.
WORDS_MAX: Final = 500
PROBLEM_MAX: Final = 500
KINDS: Final = frozenset(
    {"textfield", "textarea", "number", "checkbox", "checkboxes", "radios", "select", "date", "markup"}
)
_ELEMENT_KEYS: Final = frozenset(
    {"kind", "name", "label", "help", "required", "weight", "default", "options", "max_length"}
)
_CHANGE_KEYS: Final = frozenset({"label", "help", "required", "weight"})
_WEIGHT_LIMIT: Final = 1_000


def read_form_changes(answer: Any) -> dict[str, Any]:
    """`{"add": [element, …], "change": {name: {"label"?, "help"?, "required"?, "weight"?}}, "remove": [name, …]}`;
    empty without any. Whether the form has such elements is for whoever applies it."""
    if answer is None:
        return {"add": [], "change": {}, "remove": []}
    _require_keys(answer, "the change", {"add", "change", "remove"})
    added, changed = answer.get("add", []), answer.get("change", {})
    if not isinstance(added, list) or len(added) > ADDED_MAX:
        raise PluginDataError(f"'add' must be a list of at most {ADDED_MAX} elements")
    for number, element in enumerate(added, 1):
        _check_element(element, f"element {number}")
    if not isinstance(changed, dict):
        raise PluginDataError("'change' must be an object by the names of elements")
    for name, change in changed.items():
        place = f"the change of {name[:40]!r}"
        _require_keys(change, place, _CHANGE_KEYS)
        _check_words(change, place)
        if change.get("required", True) is not True:
            raise PluginDataError(f"{place}: 'required' can only become true")
    removed = answer.get("remove", [])
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise PluginDataError("'remove' must be a list of the names of elements")
    return {"add": added, "change": changed, "remove": removed}


def read_form_problems(answer: Any) -> dict[str, str]:
    """A sentence by the name of an element, or under "" about the form as a whole."""
    if answer is None:
        return {}
    if not isinstance(answer, dict):
        raise PluginDataError("must answer an object with a sentence for each element that is wrong")
    for name, sentence in answer.items():
        if not isinstance(sentence, str) or not 0 < len(sentence.strip()) <= PROBLEM_MAX:
            raise PluginDataError(
                f"{name[:40]!r} must be a sentence of at most {PROBLEM_MAX} characters, about what is wrong"
            )
    return answer


def _check_element(element: Any, place: str) -> None:
    _require_keys(element, place, _ELEMENT_KEYS)
    kind = element.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise PluginDataError(f"{place}: 'kind' must be one of {', '.join(sorted(KINDS))}")
    if not isinstance(element.get("name"), str) or not is_machine_name(element["name"]):
        raise PluginDataError(f"{place}: 'name' must hold a-z, 0-9 and _ only, and start with a letter")
    if not isinstance(element.get("label"), str) or not element["label"].strip():
        raise PluginDataError(f"{place}: 'label' is missing")
    _check_words(element, place)
    if not isinstance(element.get("required", False), bool):
        raise PluginDataError(f"{place}: 'required' must be true or false")
    length = element.get("max_length")
    if length is not None and (type(length) is not int or length < 1):
        raise PluginDataError(f"{place}: 'max_length' must be a whole number above 0")
    _check_default(element, place)
    options = element.get("options", [])
    if not isinstance(options, list) or len(options) > OPTIONS_MAX or not all(map(_is_option, options)):
        raise PluginDataError(
            f"{place}: 'options' must be at most {OPTIONS_MAX} pairs of a value and a label"
        )


def _check_default(element: Mapping[str, Any], place: str) -> None:
    default = element.get("default")
    wanted = {"checkbox": bool, "number": int, "checkboxes": list}.get(element["kind"], str)
    is_fit = type(default) is wanted
    if isinstance(default, list):
        is_fit = is_fit and all(isinstance(part, str) for part in default)
    if default is not None and not is_fit:
        raise PluginDataError(f"{place}: 'default' must be a {wanted.__name__}")


def _check_words(data: Mapping[str, Any], place: str) -> None:
    for key in ("label", "help"):
        words = data.get(key, "")
        if not isinstance(words, str) or len(words) > WORDS_MAX:
            raise PluginDataError(f"{place}: {key!r} must be text of at most {WORDS_MAX} characters")
    weight = data.get("weight", 0)
    if type(weight) is not int or abs(weight) > _WEIGHT_LIMIT:
        raise PluginDataError(
            f"{place}: 'weight' must be a whole number from -{_WEIGHT_LIMIT} to {_WEIGHT_LIMIT}"
        )


def _is_option(option: Any) -> bool:
    return isinstance(option, list) and len(option) == 2 and all(isinstance(part, str) for part in option)


def _require_keys(data: Any, place: str, keys: frozenset[str] | set[str]) -> None:
    if not isinstance(data, dict):
        raise PluginDataError(f"{place} must be an object")
    unknown = sorted(data.keys() - keys)
    if unknown:
        raise PluginDataError(
            f"{place} has {unknown[0][:40]!r}, which means nothing; it may hold {', '.join(sorted(keys))}"
        )

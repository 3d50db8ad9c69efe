"""Checks what plugins answer: one reader per tap, each with a sentence for what is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kernel.names import is_machine_name
from kernel.tap.wire import PluginDataError

# In characters or entries. Generous for honest plugins; a page of the admin must still bear them all at once.
LIST_MAX: Final = 200
LABEL_MAX: Final = 255
PATH_MAX: Final = 255
DESCRIPTION_MAX: Final = 2_000
# What a plugin may ask for one piece of queued work, and what it gets that does not ask.
QUEUE_TRIES_MAX: Final = 10
QUEUE_TRIES: Final = 3
QUEUE_TIMEOUT_MAX_S: Final = 60
QUEUE_TIMEOUT_S: Final = 20
INDEX_TEXT_MAX: Final = 100_000
# What a plugin says about access to an item.
GRANT: Final = "grant"
DENY: Final = "deny"
NEUTRAL: Final = "neutral"
VERDICTS: Final = frozenset({GRANT, DENY, NEUTRAL})


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """`path` may hold `{name}` or `{name:kind}` segments. `function` tells the plugin's `page` function which of its
    pages is wanted; `lists` is an item type whose published items stand below it. An entry with neither leads to a
    page that exists anyway. An empty `permission`: everybody may go. A task is shown on the page of its parent."""

    path: str
    title: str
    plugin: str = ""
    function: str = ""
    lists: str = ""
    permission: str = ""
    parent: str = ""
    weight: int = 0
    is_task: bool = False


@dataclass(frozen=True, slots=True)
class Permission:
    name: str
    title: str
    description: str = ""
    plugin: str = ""


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """`name` is the plugin's own: another plugin may have a queue of the same name. `max_attempts` counts tries in all,
    `timeout_s` is real time for one of them."""

    name: str
    label: str
    max_attempts: int = QUEUE_TRIES
    timeout_s: int = QUEUE_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Page:
    """`content` is a render tree, None for a page that has only a title."""

    title: str
    content: dict[str, Any] | None


def read_nothing(answer: Any) -> None:
    if answer is not None:
        raise PluginDataError(f"must answer nothing, not {_name_kind(answer)}")


def read_item_types(answer: Any) -> list[dict[str, Any]]:
    """Their fields are checked by whoever registers the types."""
    types = _read_objects(answer, "item types")
    for number, item_type in enumerate(types, 1):
        name = item_type.get("type")
        if not isinstance(name, str) or not is_machine_name(name):
            raise PluginDataError(
                f"item type {number}: 'type' must be a machine name (a-z, 0-9 and _), not {name!r}"
            )
    return types


def read_item_change(answer: Any) -> dict[str, Any]:
    """`{"title"?: …, "fields"?: {name: {"value": …}}}`; an empty object when nothing changes."""
    if answer is None:
        return {}
    change = _read_object(answer, "the change", ("title", "fields"))
    if "title" in change and not isinstance(change["title"], str):
        raise PluginDataError(f"'title' must be text, not {_name_kind(change['title'])}")
    fields = change.get("fields", {})
    if not isinstance(fields, dict):
        raise PluginDataError(f"'fields' must be an object, not {_name_kind(fields)}")
    for name, new in fields.items():
        read_field(name, new)
    return change


def read_field(name: str, new: Any) -> dict[str, Any]:
    """One field as a plugin wants it: `{"value": …}` and perhaps `"format"`."""
    field = _read_object(new, f"field {name!r}", ("value", "format"))
    if "value" not in field:
        raise PluginDataError(f"field {name!r} has no 'value'")
    if isinstance(field["value"], dict | list):
        raise PluginDataError(f"field {name!r}: 'value' must be text, a number, true, false or null")
    if not isinstance(field.get("format", ""), str):
        raise PluginDataError(f"field {name!r}: 'format' must be text")
    return field


def read_trees(answer: Any) -> list[dict[str, Any] | None]:
    """One render element or null per item; their insides are checked where they become HTML."""
    if not isinstance(answer, list):
        raise PluginDataError(
            f"must answer a list with one render element or null per item, not {_name_kind(answer)}"
        )
    for number, tree in enumerate(answer, 1):
        if tree is not None:
            _read_tree(tree, f"answer {number}")
    return answer


def read_access(answer: Any) -> list[str]:
    """One of "grant", "deny" and "neutral" per item; null is neutral."""
    if not isinstance(answer, list):
        raise PluginDataError(
            f'must answer a list with "grant", "deny" or "neutral" per item, not {_name_kind(answer)}'
        )
    for number, verdict in enumerate(answer, 1):
        if verdict is not None and not (isinstance(verdict, str) and verdict in VERDICTS):
            told = repr(verdict[:40]) if isinstance(verdict, str) else _name_kind(verdict)
            raise PluginDataError(f'answer {number} must be "grant", "deny" or "neutral", not {told}')
    return [NEUTRAL if verdict is None else verdict for verdict in answer]


def read_index_text(answer: Any) -> str | None:
    if answer is None or (isinstance(answer, str) and len(answer) <= INDEX_TEXT_MAX):
        return answer
    raise PluginDataError(
        f"must answer text of at most {INDEX_TEXT_MAX:,} characters, or null, not {_name_kind(answer)}"
    )


def read_note(answer: Any) -> str | None:
    if answer is None or (isinstance(answer, str) and len(answer) <= LABEL_MAX):
        return answer
    raise PluginDataError(
        f"must answer a note of at most {LABEL_MAX} characters, or null, not {_name_kind(answer)}"
    )


def read_menu_entries(answer: Any) -> list[MenuEntry]:
    """Whether a path is free and allowed is decided where the menu is built."""
    keys = ("path", "title", "function", "lists", "permission", "parent", "weight", "is_task")
    entries = []
    for number, data in enumerate(_read_objects(answer, "menu entries"), 1):
        place = f"menu entry {number}"
        _read_object(data, place, keys)
        weight = data.get("weight", 0)
        if type(weight) is not int:
            raise PluginDataError(f"{place}: 'weight' must be a whole number, not {_name_kind(weight)}")
        is_task = data.get("is_task", False)
        if not isinstance(is_task, bool):
            raise PluginDataError(f"{place}: 'is_task' must be true or false, not {_name_kind(is_task)}")
        entries.append(
            MenuEntry(
                path=_read_text(data, "path", place, PATH_MAX, required=True),
                title=_read_text(data, "title", place, LABEL_MAX, required=True),
                function=_read_name(data, "function", place),
                lists=_read_name(data, "lists", place),
                permission=_read_text(data, "permission", place, LABEL_MAX),
                parent=_read_text(data, "parent", place, PATH_MAX),
                weight=weight,
                is_task=is_task,
            )
        )
    return entries


def read_permissions(answer: Any) -> list[Permission]:
    permissions = []
    for number, data in enumerate(_read_objects(answer, "permissions"), 1):
        place = f"permission {number}"
        _read_object(data, place, ("name", "title", "description"))
        name = _read_text(data, "name", place, LABEL_MAX, required=True)
        title = _read_text(data, "title", place, LABEL_MAX) or name
        permissions.append(Permission(name, title, _read_text(data, "description", place, DESCRIPTION_MAX)))
    return permissions


def read_queues(answer: Any) -> list[QueueInfo]:
    queues: dict[str, QueueInfo] = {}
    for number, data in enumerate(_read_objects(answer, "queues"), 1):
        place = f"queue {number}"
        _read_object(data, place, ("name", "label", "max_attempts", "timeout_s"))
        name = _read_name(data, "name", place, required=True)
        if name in queues:
            raise PluginDataError(f"{place}: there is a queue {name!r} already")
        queues[name] = QueueInfo(
            name,
            _read_text(data, "label", place, LABEL_MAX, required=True),
            _read_count(data, "max_attempts", place, QUEUE_TRIES, QUEUE_TRIES_MAX),
            _read_count(data, "timeout_s", place, QUEUE_TIMEOUT_S, QUEUE_TIMEOUT_MAX_S),
        )
    return list(queues.values())


def read_page(answer: Any) -> Page:
    page = _read_object(answer, "the page", ("title", "content"))
    content = page.get("content")
    if content is not None:
        _read_tree(content, "'content'")
    return Page(_read_text(page, "title", "the page", LABEL_MAX, required=True), content)


def _read_tree(tree: Any, place: str) -> None:
    if not isinstance(tree, dict) or not isinstance(tree.get("#type"), str):
        raise PluginDataError(
            f"{place} must be a render element, an object with a '#type', not {_name_kind(tree)}"
        )


def _read_objects(answer: Any, what: str) -> list[dict[str, Any]]:
    if answer is None:
        return []
    if not isinstance(answer, list) or not all(isinstance(entry, dict) for entry in answer):
        raise PluginDataError(f"must answer a list of {what}, each an object")
    if len(answer) > LIST_MAX:
        raise PluginDataError(f"answered {len(answer)} {what}; {LIST_MAX} is the most")
    return answer


def _read_object(data: Any, what: str, keys: Iterable[str]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise PluginDataError(f"{what} must be an object, not {_name_kind(data)}")
    unknown = sorted(data.keys() - set(keys))
    if unknown:
        raise PluginDataError(
            f"{what} has {unknown[0]!r}, which means nothing; it may hold {', '.join(keys)}"
        )
    return data


def _read_text(data: Mapping[str, Any], key: str, place: str, limit: int, *, required: bool = False) -> str:
    value = data.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or len(value) > limit or (required and not value.strip()):
        raise PluginDataError(
            f"{place}: {key!r} must be text of at most {limit} characters, not {_name_kind(value)}"
        )
    return value


def _read_count(data: Mapping[str, Any], key: str, place: str, default: int, limit: int) -> int:
    value = data.get(key, default)
    if type(value) is not int or not 1 <= value <= limit:
        raise PluginDataError(
            f"{place}: {key!r} must be a whole number from 1 to {limit}, not {_name_kind(value)}"
        )
    return value


def _read_name(data: Mapping[str, Any], key: str, place: str, *, required: bool = False) -> str:
    name = _read_text(data, key, place, LABEL_MAX, required=required)
    if name and not is_machine_name(name):
        raise PluginDataError(f"{place}: {key!r} must be a name (a-z, 0-9 and _), not {name!r}")
    return name


def _name_kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f"text of {len(value):,} characters"
        case list():
            return "a list"
        case dict() if isinstance(value.get("#type"), str):
            return f"a render element {value['#type'][:40]!r}"
        case _:
            return "an object"

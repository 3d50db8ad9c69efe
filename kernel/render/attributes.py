"""Which attributes a render tree may use, and what the value of each must look like."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from kernel.render.urls import IMAGE_SCHEMES, is_safe_url

_NAME: Final = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]{0,63}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}")
_DATE_TIME: Final = re.compile(r"[0-9TZPDHMSW:.+\- ]{1,40}")
_ROLES: Final = frozenset({"group", "img", "list", "listitem", "none", "note", "region", "status"})
# `data-js…` is how the pages' own script finds its elements; content must not be able to start it.
_FREE_NAME: Final = re.compile(r"aria-[a-z]{1,24}|data-(?!js)[a-z][a-z0-9-]{0,40}")
_MOST_CLASSES: Final = 20
_LONGEST_TEXT: Final = 1_000

Check = Callable[[str], bool]


def _whole_number(low: int, high: int) -> Check:
    return lambda text: text.isascii() and text.isdigit() and len(text) <= 6 and low <= int(text) <= high


def _one_of(*allowed: str) -> Check:
    return lambda text: text in allowed


def _short(text: str) -> bool:
    return len(text) <= _LONGEST_TEXT


def _image_url(text: str) -> bool:
    return is_safe_url(text, IMAGE_SCHEMES)


def is_name(text: str) -> bool:
    """Whether the text can be an id or one class."""
    return _NAME.fullmatch(text) is not None


def _language(text: str) -> bool:
    return _LANGUAGE.fullmatch(text) is not None


def _date_time(text: str) -> bool:
    return _DATE_TIME.fullmatch(text) is not None


_EVERYWHERE: Final[Mapping[str, Check]] = {
    "id": is_name,
    "title": _short,
    "lang": _language,
    "dir": _one_of("ltr", "rtl", "auto"),
    "role": _ROLES.__contains__,
}
_BY_TAG: Final[Mapping[str, Mapping[str, Check]]] = {
    "a": {"href": is_safe_url, "hreflang": _language, "target": _one_of("_blank")},
    "img": {
        "src": _image_url,
        "alt": _short,
        "width": _whole_number(1, 20_000),
        "height": _whole_number(1, 20_000),
    },
    "ol": {"start": _whole_number(0, 999_999)},
    "blockquote": {"cite": is_safe_url},
    "q": {"cite": is_safe_url},
    "time": {"datetime": _date_time},
    "del": {"datetime": _date_time},
    "ins": {"datetime": _date_time},
}
# Present or absent; their value says nothing.
_SWITCHES: Final[Mapping[str, str]] = {"open": "details", "reversed": "ol"}
_NONE: Final[Mapping[str, Check]] = {}


def find_check(tag: str, name: str) -> Check | None:
    """What a value of this attribute must pass; None when the attribute is not allowed on the tag."""
    return (
        _BY_TAG.get(tag, _NONE).get(name)
        or _EVERYWHERE.get(name)
        or (_short if _FREE_NAME.fullmatch(name) else None)
    )


def is_switch(tag: str, name: str) -> bool:
    return _SWITCHES.get(name) == tag


def split_classes(value: object) -> tuple[list[str], list[str]]:
    """The classes of a text or a list that may be used, and those that may not, as text for a complaint."""
    raw = value.split() if isinstance(value, str) else value if isinstance(value, list) else [value]
    good: list[str] = []
    bad: list[str] = []
    for part in raw[: _MOST_CLASSES + 1]:
        fits = isinstance(part, str) and is_name(part) and len(good) < _MOST_CLASSES
        (good if fits else bad).append(part if isinstance(part, str) else type(part).__name__)
    return good, bad

"""Reads what was submitted into typed values, collecting every complaint; no input makes it raise."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from kernel.errors import Invalid
from kernel.form.model import Element, ElementKind, Form, Submission
from kernel.form.token import TOKEN_FIELD, read_build_id, require_form_token
from kernel.shared.session import Session

# In characters, for elements that set no limit of their own.
LINE_MAX: Final = 1_000
LINES_MAX: Final = 200_000
# What JavaScript holds exactly, since readers of JSON get the number as such.
NUMBER_MAX: Final = 2**53 - 1

WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}")
ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# PostgreSQL cannot store the first, UTF-8 cannot express the others.
UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Submitted = Mapping[str, Sequence[str]]


def validate_form(
    form: Form, session: Session | None, submitted: Submitted, *, header_token: str = ""
) -> Submission:
    """The token first, then the values; a script sends its token in the header X-CSRF-Token.

    Raises StaleForm. What was typed is not lost then: `read_values(form, submitted).raw` can be shown again.
    """
    if form.method == "post":
        require_form_token(session, form.id, header_token or _last(submitted, TOKEN_FIELD))
    return read_values(form, submitted)


def read_values(form: Form, submitted: Submitted) -> Submission:
    """Names that the form does not know are ignored; of a name sent more than once the last counts."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    raw: dict[str, Any] = {}
    away = set(_list_away(form.elements, submitted))
    for element in form.inputs():
        if element.locked or element.removed or element.name in away:
            values[element.name] = element.default
            continue
        # A browser shows none of these again.
        if element.kind not in {"password", "file", "submit"}:
            raw[element.name] = _read_raw(element, submitted)
        try:
            values[element.name] = READERS[element.kind](element, submitted)
        except Invalid as error:
            problems[element.name] = error.problems[element.name]
    return Submission(values, problems, raw, read_build_id(submitted))


def _list_away(elements: Sequence[Element], submitted: Submitted, *, is_away: bool = False) -> Iterator[str]:
    """The names of inputs that nobody was asked for, since their condition, or that of a group, does not hold."""
    for element in elements:
        condition = element.shown_when
        is_gone = is_away or (
            condition is not None and condition.values.isdisjoint(submitted.get(condition.name) or [""])
        )
        if is_gone:
            yield element.name
        yield from _list_away(element.children, submitted, is_away=is_gone)


def _read_raw(element: Element, submitted: Submitted) -> Any:
    """What was typed, made fit to be shown."""
    if element.kind == "checkbox":
        return bool(_last(submitted, element.name))
    if element.kind == "checkboxes":
        return [_make_showable(text) for text in submitted.get(element.name) or ()]
    text = _make_showable(_last(submitted, element.name))
    if element.kind == "formatted":
        return {"value": text, "format": _make_showable(_last(submitted, element.format_name))}
    return text


def _make_showable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _read_line(element: Element, submitted: Submitted) -> str:
    text = _last(submitted, element.name).strip()
    _require_storable(element, text)
    if CONTROL.search(text):
        raise _problem(element, "holds a line break or another control character. Remove it")
    # Composing joins up to four characters into one; beyond that the text is too long anyway, and normalising
    # a long run of combining marks takes quadratic time.
    if len(text) <= 4 * _length_limit(element):
        text = unicodedata.normalize("NFC", text)
    return _require_text(element, text)


def _read_lines(element: Element, submitted: Submitted) -> str:
    text = _last(submitted, element.name).replace("\r\n", "\n").replace("\r", "\n")
    _require_storable(element, text)
    return _require_text(element, "" if text.isspace() else text)


def _read_formatted(element: Element, submitted: Submitted) -> dict[str, str]:
    text = _read_lines(element, submitted)
    chosen = _last(submitted, element.format_name)
    if all(chosen != option.value for option in element.options):
        raise _problem(element, "has a text format that you may not use. Choose one from the list")
    return {"value": text, "format": chosen}


def _read_password(element: Element, submitted: Submitted) -> str:
    """Exactly as typed: a space at the end may belong to a password."""
    text = _last(submitted, element.name)
    _require_storable(element, text)
    return _require_text(element, text)


def _read_number(element: Element, submitted: Submitted) -> int | None:
    text = _last(submitted, element.name).strip()
    if not text:
        _require_given(element)
        return None
    if not WHOLE_NUMBER.fullmatch(text):
        raise _problem(element, "must be a whole number, such as 42")
    number = int(text)
    low = -NUMBER_MAX if element.minimum is None else element.minimum
    high = NUMBER_MAX if element.maximum is None else element.maximum
    if not low <= number <= high:
        raise _problem(element, f"must be a number from {low} to {high}")
    return number


def _read_date(element: Element, submitted: Submitted) -> str | None:
    text = _last(submitted, element.name).strip()
    if not text:
        _require_given(element)
        return None
    if not ISO_DATE.fullmatch(text):
        raise _problem(element, "must be a date written as year-month-day, such as 2026-03-01")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise _problem(element, f"is no date of the calendar: {text}") from None
    return text


def _read_checkbox(element: Element, submitted: Submitted) -> bool:
    ticked = bool(_last(submitted, element.name))
    if element.required and not ticked:
        raise _problem(element, "must be ticked")
    return ticked


def _read_select(element: Element, submitted: Submitted) -> str:
    text = _last(submitted, element.name)
    if not text:
        _require_given(element)
    if all(text != option.value for option in element.options):
        raise _problem(element, "must be one of the options in the list")
    return text


def _read_choices(element: Element, submitted: Submitted) -> list[str]:
    chosen = set(submitted.get(element.name) or ())
    if chosen - {option.value for option in element.options}:
        raise _problem(element, "must be among the options in the list")
    if not chosen:
        _require_given(element)
    return [option.value for option in element.options if option.value in chosen]


def _read_radios(element: Element, submitted: Submitted) -> str:
    """Unlike a list, which has always something chosen, this may be left open."""
    if not _last(submitted, element.name) and not element.required:
        return ""
    return _read_select(element, submitted)


def _read_button(element: Element, submitted: Submitted) -> bool:
    return bool(_last(submitted, element.name))


def _require_storable(element: Element, text: str) -> None:
    if UNSTORABLE.search(text):
        raise _problem(
            element, "holds a character that cannot be stored. Type it again instead of pasting it"
        )


def _require_text(element: Element, text: str) -> str:
    if not text:
        _require_given(element)
    limit = _length_limit(element)
    if len(text) > limit:
        raise _problem(element, f"is {len(text)} characters long; {limit} are allowed at most")
    return text


def _length_limit(element: Element) -> int:
    return element.max_length or (LINES_MAX if element.kind in ("textarea", "formatted") else LINE_MAX)


def _require_given(element: Element) -> None:
    if element.required:
        raise _problem(element, "is required")


def _problem(element: Element, what: str) -> Invalid:
    return Invalid({element.name: f"{element.label or element.name} {what}."})


def _last(submitted: Submitted, name: str) -> str:
    sent = submitted.get(name)
    return sent[-1] if sent else ""


READERS: Final[Mapping[ElementKind, Callable[[Element, Submitted], Any]]] = {
    "textfield": _read_line,
    "textarea": _read_lines,
    "formatted": _read_formatted,
    "number": _read_number,
    "checkbox": _read_checkbox,
    "checkboxes": _read_choices,
    "radios": _read_radios,
    "select": _read_select,
    "date": _read_date,
    "password": _read_password,
    "hidden": _read_line,
    "file": _read_line,
    "submit": _read_button,
}

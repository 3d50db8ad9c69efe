"""Asks plugins about an item that came as a JSON document, as they are asked about what its form sends.

A document has no inputs of plugins, so what a plugin says about its own is not held against one.
"""

from collections.abc import Collection, Mapping
from typing import Any

from kernel.errors import PluginError
from kernel.form.model import Form, Submission
from kernel.form.taps import check_with_plugins
from kernel.item.values import DEFAULT_FORMAT
from kernel.jobs import SaveItem
from kernel.tap.scope import TapScope


async def check_document(
    scope: TapScope, form: Form, item: SaveItem, wrong: Collection[str]
) -> tuple[dict[str, str], tuple[PluginError, ...]]:
    """What is the matter with the values of the document beside `wrong`, which was found so already. `form` is that of
    the item, as the plugins altered it."""
    values = {name: value for name, value in list_form_values(form, item).items() if name not in wrong}
    problems = {
        element.name: f"{element.label} is required."
        for element in form.inputs()
        if element.required and element.name in values and _is_empty(values[element.name])
    }
    checked, failures = await check_with_plugins(scope, form, Submission(values, problems, {}))
    told = {"", *values}
    return {name: text for name, text in checked.problems.items() if name in told}, failures


def list_form_values(form: Form, item: SaveItem) -> dict[str, Any]:
    """What the form would send for this item; nothing for the inputs that plugins have added."""
    own = {
        "title": item.title,
        "status": bool(item.status),
        "promote": item.promote,
        "sticky": item.sticky,
        "log_message": item.log_message,
    }
    values: dict[str, Any] = {}
    for element in form.inputs():
        field = item.fields.get(element.name)
        if element.name in own:
            values[element.name] = own[element.name]
        elif field is not None:
            values[element.name] = dict(field) if element.kind == "formatted" else field["value"]
        elif element.name.startswith("field_"):
            values[element.name] = _list_empty_values()[element.kind]
    return values


def _list_empty_values() -> Mapping[str, Any]:
    """What an input of each kind that a field may have sends when nothing was entered."""
    return {
        "textfield": "",
        "formatted": {"value": "", "format": DEFAULT_FORMAT},
        "number": None,
        "checkbox": False,
        "date": None,
    }


def _is_empty(value: Any) -> bool:
    return (value.get("value") if isinstance(value, Mapping) else value) in (None, "")

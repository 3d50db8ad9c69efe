"""Plugins and forms: they add inputs and words, complain about values, and hear of what was sent.

A form that a plugin has altered is checked again, so nothing that a plugin says takes an input or the proof against
forged requests away, shows it a password, or becomes HTML. A plugin that fails is left out, as everywhere: neither
readers nor editors wait for its author.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kernel.errors import PluginError
from kernel.form.build import check_form, in_order
from kernel.form.model import Element, Form, Option, Submission
from kernel.form_jobs import SubmittedForm
from kernel.tap.catalogue import FORM_ALTER, FORM_SUBMIT, FORM_VALIDATE, Tap
from kernel.tap.dispatch import dispatch
from kernel.tap.registry import TapRegistry
from kernel.tap.scope import TapScope

# What no plugin is shown, neither as an element nor as a value.
_PRIVATE: Final = frozenset({"password", "hidden", "file", "submit"})


@dataclass(frozen=True, slots=True)
class Altered:
    form: Form
    failures: tuple[PluginError, ...] = ()


def list_listeners(registry: TapRegistry, tap: Tap, form_id: str) -> list[str]:
    """The plugins that want that of this form, in the order in which they are asked."""
    return [
        implementor.plugin.name
        for implementor in registry.get_implementors(tap)
        if form_id in implementor.options.forms
    ]


async def alter_form(scope: TapScope, form: Form) -> Altered:
    """The form as the plugins want it, each seeing what those before it did. Without any it costs nothing."""
    failures: list[PluginError] = []
    for plugin in list_listeners(scope.registry, FORM_ALTER, form.id):
        told = {"form": _describe(form)}
        dispatched = await dispatch(scope, FORM_ALTER, plugin=plugin, extra=told)
        failures += dispatched.failures
        for _, changes in dispatched.answers:
            try:
                form = apply_changes(form, plugin, changes)
            except ValueError as error:
                failures.append(PluginError(plugin, "bad-answer", str(error), tap=FORM_ALTER.name))
    return Altered(form, tuple(failures))


async def check_with_plugins(
    scope: TapScope, form: Form, submission: Submission
) -> tuple[Submission, tuple[PluginError, ...]]:
    """With what plugins complain about beside what the form itself does; where both do, the form's own words stand."""
    problems: dict[str, str] = {}
    failures: list[PluginError] = []
    visible = {"", *(element.name for element in _list_shared(form))}
    for plugin in list_listeners(scope.registry, FORM_VALIDATE, form.id):
        told = {"form_id": form.id, "values": list_visible_values(form, submission.values)}
        dispatched = await dispatch(scope, FORM_VALIDATE, plugin=plugin, extra=told)
        failures += dispatched.failures
        for _, found in dispatched.answers:
            # A complaint about what a plugin cannot see stands above the form.
            problems = {**{n if n in visible else "": text for n, text in found.items()}, **problems}
    if problems:
        submission = replace(submission, problems={**problems, **submission.problems})
    return submission, tuple(failures)


def list_visible_values(form: Form, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that plugins are shown: no passwords, nothing hidden, no files."""
    return {element.name: values[element.name] for element in _list_shared(form) if element.name in values}


def _list_shared(form: Form) -> list[Element]:
    return [element for element in form.inputs() if element.kind not in _PRIVATE and not element.removed]


def note_submitted(registry: TapRegistry, form: Form, submission: Submission) -> SubmittedForm | None:
    """What the job that does the work takes along, for the plugins that want to hear of it afterwards."""
    if not list_listeners(registry, FORM_SUBMIT, form.id):
        return None
    return SubmittedForm(form.id, list_visible_values(form, submission.values))


def apply_changes(form: Form, plugin: str, changes: Mapping[str, Any]) -> Form:
    """Raises ValueError for what a plugin may not change, and for a form that contradicts itself afterwards."""
    asks_for_credentials = any(element.kind == "password" for element in form.inputs())
    if asks_for_credentials and any("label" in change for change in changes["change"].values()):
        raise ValueError(f"labels of {form.id} stay as they are, since people enter a password there")
    removed = frozenset(changes.get("remove", ()))
    elements = _change(form.elements, changes["change"], removed)
    known = {element.name for element in form.inputs() if not element.removed}
    if unknown := sorted((changes["change"].keys() | removed) - known):
        raise ValueError(f"{form.id} has no element {unknown[0]!r} that could be changed")
    added = []
    for data in changes["add"]:
        # Those of fields begin with field_, and what is in them is stored as such.
        if not data["name"].startswith(f"{plugin}_") or data["name"].startswith("field_"):
            raise ValueError(f"the name {data['name']!r} must begin with {plugin}_")
        element = _read_element(data)
        if asks_for_credentials:
            # Nobody shall take an input of a plugin for one that may be trusted with a password.
            element = replace(element, help=f"{element.help} Asked by the plugin {plugin}.".strip())
        added.append(element)
    altered = replace(form, elements=in_order((*elements, *added)))
    if complaints := check_form(altered):
        raise ValueError("; ".join(complaints))
    return altered


def _change(
    elements: Sequence[Element], changes: Mapping[str, Mapping[str, Any]], removed: Collection[str]
) -> tuple[Element, ...]:
    changed = []
    for element in elements:
        wanted = changes.get(element.name, {})
        is_removed = element.name in removed
        if (wanted or is_removed) and element.kind in _PRIVATE:
            raise ValueError(f"{element.name!r} is no element that a plugin may change")
        if is_removed and (element.required or "required" in wanted):
            raise ValueError(f"{element.name!r} stays, since it must be filled in")
        children = _change(element.children, changes, removed) if element.children else ()
        gone = element.removed or is_removed
        changed.append(replace(element, children=children, removed=gone, **wanted))
    return tuple(changed)


def _read_element(data: Mapping[str, Any]) -> Element:
    options = tuple(Option(value, label) for value, label in data.get("options", ()))
    return Element(**{**data, "options": options})


def _describe(form: Form) -> dict[str, Any]:
    """Without values, so that the answer is the same for everybody who is shown the same form."""
    return {
        "id": form.id,
        "title": form.title,
        "elements": [
            {
                "kind": element.kind,
                "name": element.name,
                "label": element.label,
                "help": element.help,
                "required": element.required,
                "weight": element.weight,
                "options": [[option.value, option.label] for option in element.options],
            }
            for element in _list_shared(form)
        ],
    }

"""Tells somebody who was slower where an account is another than what they typed."""

from collections.abc import Mapping
from typing import Any

from kernel.form.model import Form
from kernel.mail.address import normalise_address
from kernel.people.model import Person
from kernel.user.name import normalise_name


def list_differences(person: Person, form: Form, typed: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The label of each input of the form where the account has something else, and what it has. A password is told
    in neither way."""
    user = person.user
    inputs = {element.name: element for element in form.inputs()}
    # Roles that the form does not offer stay as they are, and were not asked about.
    offered = {option.value for option in inputs["roles"].options} if "roles" in inputs else set()
    had = {str(role.id) for role in person.roles} & offered
    saved: dict[str, tuple[Any, str]] = {
        "name": (person.name, person.name),
        "mail": (user.mail or "", user.mail or "none"),
        "active": (user.is_active, "yes" if user.is_active else "no"),
        "roles": (had, ", ".join(role.name for role in person.roles) or "none"),
        "admin": (user.is_admin, "yes" if user.is_admin else "no"),
    }
    sent: dict[str, Any] = {
        **typed,
        "name": normalise_name(typed["name"]),
        "mail": normalise_address(typed.get("mail", "")),
        "roles": set(typed.get("roles", ())),
    }
    return [
        (element.label, saved[name][1])
        for name, element in inputs.items()
        if name in saved and sent.get(name) != saved[name][0]
    ]

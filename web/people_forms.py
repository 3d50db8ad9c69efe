"""The forms of the administration of people."""

from collections.abc import Sequence
from typing import Final

from kernel.context import Actor
from kernel.form.build import build_form
from kernel.form.model import Condition, Element, Form, Option
from kernel.form.password import ask_password
from kernel.mail.address import ADDRESS_MAX
from kernel.people.model import AssignedRole, CountedRole, Person
from kernel.people.rights import list_offered_roles
from kernel.user.account import LABEL_MAX
from kernel.user.name import NAME_MAX
from kernel.user.password import PASSWORD_MAX, PASSWORD_MIN
from kernel.user.timezone import TIMEZONE_MAX, list_timezones
from web.people_list import PEOPLE_PATH

ROLES_PATH: Final = "/admin/people/roles"
# In days.
EXPIRY: Final = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "A year"))
EXPIRY_DEFAULT: Final = "90"
FATES: Final = (
    ("keep", "Keep it, by “deleted user”"),
    ("assign", "Give it to another person"),
    ("unpublish", "Keep it as drafts, by “deleted user”"),
    ("delete", "Delete it as well"),
)


def build_person_form(actor: Actor, person: Person | None, roles: Sequence[AssignedRole]) -> Form:
    """A new account without a person. Who is no administrator is not offered what only administrators give, and nobody
    what opens the own account."""
    is_own = person is not None and person.id == actor.id
    return build_form(
        "person",
        action=f"{person.path}/edit" if person is not None else f"{PEOPLE_PATH}/add",
        title=person.name if person is not None else "Add a person",
        submit="Save" if person is not None else "Add this person",
        cancel=PEOPLE_PATH,
        elements=[
            Element("hidden", "seen", default=person.digest() if person is not None else ""),
            Element(
                "textfield",
                "name",
                "Username",
                required=True,
                max_length=NAME_MAX,
                default=person.name if person is not None else "",
                autocomplete="off",
                autofocus=person is None,
            ),
            *([] if is_own else [_build_mail(person), _build_password(person)]),
            Element("fieldset", "access", "Access", side=True, children=_build_access(actor, person, roles)),
        ],
    )


def _build_access(actor: Actor, person: Person | None, roles: Sequence[AssignedRole]) -> tuple[Element, ...]:
    offered = list_offered_roles(actor, roles)
    had = person.role_ids if person is not None else frozenset()
    access = [
        Element(
            "checkbox",
            "active",
            "May log in",
            help="Without it the account is blocked, and whoever uses it is logged out at once.",
            default=person.user.is_active if person is not None else True,
        )
    ]
    if offered:
        access.append(
            Element(
                "checkboxes",
                "roles",
                "Roles",
                options=tuple(Option(str(role.id), role.name) for role in offered),
                default=[str(role.id) for role in offered if role.id in had],
            )
        )
    if actor.is_admin:
        access.append(
            Element(
                "checkbox",
                "admin",
                "Administrator",
                help="May do everything, whatever roles say.",
                default=person.user.is_admin if person is not None else False,
            )
        )
    return tuple(access)


def _build_mail(person: Person | None) -> Element:
    return Element(
        "textfield",
        "mail",
        "E-mail address",
        help="For messages of the site, and for a new password when the old one is forgotten.",
        max_length=ADDRESS_MAX,
        default=(person.user.mail or "") if person is not None else "",
        autocomplete="off",
    )


def _build_password(person: Person | None) -> Element:
    if person is None:
        text = "Without one, the next page offers a link with which the person logs in and sets a password."
    elif person.user.has_password:
        text = "Leave this empty to keep the password. A new one logs the person out everywhere."
    else:
        text = "There is none yet. A one-time link lets the person set it without your knowing it."
    return Element(
        "password",
        "password",
        "New password" if person is not None else "Password",
        help=f"{text} At least {PASSWORD_MIN} characters.",
        max_length=PASSWORD_MAX,
        autocomplete="new-password",
    )


def build_delete_form(person: Person, items: int | None, *, may_choose: bool) -> Form:
    """`items` is how much content there is, None when there is too much to count; `may_choose` says whether the actor
    may do more with it than keep it."""
    fates = FATES if may_choose else FATES[:1]
    content = [
        Element(
            "radios",
            "fate",
            "What becomes of their content?",
            required=True,
            default="keep",
            options=tuple(Option(value, label) for value, label in fates),
        )
    ]
    if may_choose:
        content.append(
            Element(
                "textfield",
                "heir",
                "Username of the other person",
                max_length=NAME_MAX,
                shown_when=Condition("fate", frozenset({"assign"})),
                autocomplete="off",
            )
        )
    return build_form(
        "person_delete",
        action=f"{person.path}/delete",
        title=f"Delete {person.name}?",
        intro="The account, its roles and its API tokens are gone then, and nobody can log in with it. "
        "This cannot be undone. Blocking keeps everything and can be undone.",
        submit="Delete this account",
        cancel=person.path,
        danger=True,
        elements=content if items != 0 else [Element("hidden", "fate", default="keep", locked=True)],
    )


def build_role_form(role: CountedRole | None) -> Form:
    return build_form(
        "role",
        action=f"{ROLES_PATH}/{role.id}" if role is not None else ROLES_PATH,
        title=f"Rename “{role.name}”" if role is not None else "Add a role",
        submit="Rename" if role is not None else "Add this role",
        cancel=ROLES_PATH if role is not None else "",
        elements=[
            Element(
                "textfield",
                "name",
                "Name",
                required=True,
                max_length=NAME_MAX,
                default=role.name if role is not None else "",
                autocomplete="off",
            )
        ],
    )


def build_role_delete_form(role: CountedRole) -> Form:
    people = role.people or 0
    lost = (
        "Nobody has it."
        if not people
        else f"{people:,} {'person loses' if people == 1 else 'people lose'} what only it allowed them."
    )
    return build_form(
        "role_delete",
        action=f"{ROLES_PATH}/{role.id}/delete",
        title=f"Delete the role “{role.name}”?",
        intro=f"{lost} This cannot be undone.",
        submit="Delete this role",
        cancel=ROLES_PATH,
        danger=True,
        elements=[],
    )


def build_token_form(action: str, permissions: Sequence[Option], *, has_password: bool) -> Form:
    """`permissions` are those that the token's person has; `has_password` is about whoever makes it."""
    return build_form(
        "api_token",
        action=action,
        title="New token",
        submit="Make the token",
        elements=[
            Element(
                "textfield",
                "label",
                "What is it for?",
                required=True,
                max_length=LABEL_MAX,
                help="So that you know it again, for example “Nightly import”.",
                autocomplete="off",
            ),
            Element(
                "select",
                "days",
                "Good for",
                required=True,
                default=EXPIRY_DEFAULT,
                options=tuple(Option(value, label) for value, label in EXPIRY),
            ),
            Element(
                "radios",
                "reach",
                "What it may do",
                required=True,
                default="chosen",
                options=(
                    Option("chosen", "Only what is ticked here"),
                    Option("everything", "Whatever the account may, now and later"),
                ),
            ),
            Element(
                "checkboxes",
                "scope",
                "Permissions",
                options=tuple(permissions) or (Option("", "None"),),
                default=[],
                shown_when=Condition("reach", frozenset({"chosen"})),
            ),
            *([ask_password(label="Your current password")] if has_password else []),
        ],
    )


def build_account_form(timezone: str) -> Form:
    return build_form(
        "account",
        action="/user",
        title="Account",
        submit="Save",
        elements=[
            Element(
                "textfield",
                "timezone",
                "Time zone",
                help="Dates and times are shown as they are there. Type a city, such as Rome, or choose one. "
                "Left empty, they are those of your device.",
                default=timezone,
                max_length=TIMEZONE_MAX,
                options=tuple(Option(name, name.replace("_", " ")) for name in list_timezones()),
                autocomplete="off",
            )
        ],
    )

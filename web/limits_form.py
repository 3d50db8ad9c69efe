"""The form in which an administrator writes the limits of the site, and what was written as the setting's JSON."""

from collections.abc import Mapping
from typing import Any, Final

from kernel.form.build import build_form
from kernel.form.model import Element, Form
from kernel.rate_limit.model import DOORS, METHODS, Limits, describe_limit

LIMITS_PATH: Final = "/admin/limits"
FORM_ID: Final = "rate_limits"
_ROUTES_HELP: Final = (
    "One to a line: method, path and limit, such as “GET /search 20/min”. It takes the place of the limit above. The"
    " path may be an address, or a route such as /item/add/<type_name>."
)


def build_limits_form(limits: Limits) -> Form:
    doors = [
        Element(
            "textfield",
            door.name,
            door.label,
            help=door.help,
            required=True,
            default=describe_limit(limits.doors[door.name]),
            max_length=20,
        )
        for door in DOORS
    ]
    routes = "\n".join(f"{route} {describe_limit(limit)}" for route, limit in limits.routes.items())
    return build_form(
        FORM_ID,
        action=LIMITS_PATH,
        title="Limits",
        submit="Save the limits",
        elements=[
            *doors,
            Element("textarea", "routes", "Single routes", help=_ROUTES_HELP, default=routes, rows=4),
            Element(
                "textarea",
                "excluded",
                "Not counted",
                help="One path to a line; whatever is below it is not counted either. Static files and the checks of"
                " health never are.",
                default="\n".join(limits.excluded),
                rows=3,
            ),
        ],
    )


def read_limits_form(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """JSON as the setting has it, which is checked further by whoever takes it; and what cannot be made JSON of."""
    routes: dict[str, str] = {}
    problems: dict[str, str] = {}
    for line in filter(None, map(str.strip, values["routes"].split("\n"))):
        method, _, rest = line.partition(" ")
        path, _, limit = rest.strip().partition(" ")
        if method.upper() not in METHODS or not path or not limit.strip():
            problems["routes"] = (
                f"“{line[:60]}”: write a method, a path and a limit, such as GET /search 20/min."
            )
            continue
        routes[f"{method.upper()} {path}"] = limit.strip()
    excluded = [path for path in map(str.strip, values["excluded"].split("\n")) if path]
    return {
        "doors": {door.name: values[door.name] for door in DOORS},
        "routes": routes,
        "excluded": excluded,
    }, problems

"""The forms that bring items in from a file and take them out into one."""

from collections.abc import Mapping
from typing import Final

from kernel.form.build import build_form
from kernel.form.model import Element, Form, Option
from web.batch_view import show_size
from web.content_filter import TEXT_MAX

TOOLS_PATH: Final = "/admin/tools"
IMPORT_PATH: Final = f"{TOOLS_PATH}/import"
EXPORT_PATH: Final = f"{TOOLS_PATH}/export"
IMPORT_FORM: Final = "import_items"
EXPORT_FORM: Final = "export_items"
ACCEPT: Final = ".jsonl,.ndjson,.json,.txt,application/x-ndjson,application/json"


def build_import_form(types: Mapping[str, str], max_bytes: int) -> Form:
    """`types`: labels by name."""
    return build_form(
        IMPORT_FORM,
        action=IMPORT_PATH,
        elements=[
            Element(
                "file",
                "file",
                "File",
                help=f"One item on each line, as JSON in UTF-8. {show_size(max_bytes)} at most, not compressed.",
                required=True,
                accept=ACCEPT,
                maximum=max_bytes,
            ),
            Element(
                "select",
                "default_type",
                "Type of lines that name none",
                default="",
                options=(Option("", "Each line names its own"), *_type_options(types)),
            ),
        ],
        submit="Import",
        title="Import content",
        cancel=TOOLS_PATH,
    )


def build_export_form(types: Mapping[str, str]) -> Form:
    return build_form(
        EXPORT_FORM,
        action=EXPORT_PATH,
        elements=[
            Element(
                "select", "type", "Type", default="", options=(Option("", "All types"), *_type_options(types))
            ),
            Element(
                "select",
                "status",
                "Status",
                default="",
                options=(Option("", "Any status"), Option("1", "Published"), Option("0", "Draft")),
            ),
            Element("textfield", "text", "Title contains", max_length=TEXT_MAX, autocomplete="off"),
        ],
        submit="Export",
        title="Export content",
        cancel=TOOLS_PATH,
    )


def _type_options(types: Mapping[str, str]) -> tuple[Option, ...]:
    return tuple(Option(name, label) for name, label in types.items())

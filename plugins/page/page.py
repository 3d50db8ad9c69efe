"""Pages that stand on their own: adds a subtitle to the type `page` and shows it above the body."""

from trovato_sdk import (
    ContentTypeDefinition,
    FieldDefinition,
    FieldType,
    Item,
    PermissionDefinition,
    RenderElement,
    container,
    markup,
    tap,
)


@tap
def item_info() -> list[ContentTypeDefinition]:
    """The kernel brings the type already; what it has is kept, and what is missing is added."""
    return [
        ContentTypeDefinition(
            "page",
            "Page",
            'A page that stands on its own, such as "About us".',
            [
                FieldDefinition("field_subtitle", "Subtitle", max_length=200, weight=5),
                FieldDefinition("field_body", "Body", FieldType.TEXT_LONG, weight=10),
            ],
        )
    ]


@tap
def item_view(item: Item) -> RenderElement:
    subtitle = item.text("field_subtitle")
    body = item.field("field_body")
    return container(
        subtitle=markup(subtitle, tag="p", classes="lead") if subtitle else None,
        body=markup(body["value"], format=body.get("format", "plain_text"), tag="div") if body else None,
    )


@tap
def perm() -> list[PermissionDefinition]:
    return [
        PermissionDefinition("create page content", "Write pages"),
        PermissionDefinition("edit own page content", "Edit one's own pages"),
        PermissionDefinition("edit any page content", "Edit everybody's pages"),
        PermissionDefinition("delete own page content", "Delete one's own pages"),
        PermissionDefinition("delete any page content", "Delete everybody's pages"),
    ]

"""A blog: what a post consists of, how it looks, the page at /blog, and who may write."""

from datetime import date

from trovato_sdk import (
    ContentTypeDefinition,
    FieldDefinition,
    FieldType,
    Item,
    MenuDefinition,
    Page,
    PermissionDefinition,
    RenderElement,
    container,
    markup,
    tap,
)


@tap
def item_info() -> list[ContentTypeDefinition]:
    return [
        ContentTypeDefinition(
            "blog",
            "Blog post",
            "Something with a date: news, an essay, a note.",
            [
                FieldDefinition(
                    "field_summary",
                    "Summary",
                    max_length=300,
                    weight=10,
                    help="One or two sentences. Shown above the post and in lists.",
                ),
                FieldDefinition("field_body", "Body", FieldType.TEXT_LONG, required=True, weight=20),
                FieldDefinition("field_published_on", "Published on", FieldType.DATE, weight=30),
                FieldDefinition(
                    "field_reading_minutes",
                    "Reading time in minutes",
                    FieldType.INTEGER,
                    weight=40,
                    help="Left empty, none is shown, or an estimate where the site makes one.",
                ),
                FieldDefinition("field_featured", "Featured", FieldType.BOOLEAN, weight=50, default=False),
            ],
        )
    ]


@tap
def item_view(item: Item) -> RenderElement:
    return container(
        byline=_byline(item),
        summary=_summary(item),
        body=_body(item),
    )


@tap
def item_update_index(item: Item) -> str | None:
    """Lets people find a post by the month in words."""
    day = _day(item)
    return f"{day:%B %Y}" if day else None


@tap
def menu() -> list[MenuDefinition]:
    return [MenuDefinition("/blog", "Blog", function="front", permission="access content", lists="blog")]


@tap
def page() -> Page:
    """What stands above the list of posts."""
    return Page(
        "Blog", container(markup("What is new, and what we think about it.", tag="p", classes="lead"))
    )


@tap
def perm() -> list[PermissionDefinition]:
    return [
        PermissionDefinition("create blog content", "Write blog posts"),
        PermissionDefinition("edit own blog content", "Edit one's own blog posts"),
        PermissionDefinition("edit any blog content", "Edit everybody's blog posts"),
        PermissionDefinition("delete own blog content", "Delete one's own blog posts"),
        PermissionDefinition("delete any blog content", "Delete everybody's blog posts"),
    ]


def _byline(item: Item) -> RenderElement | None:
    parts = [_published_on(item), _reading_time(item), _badge(item)]
    return container(*parts, classes="byline") if any(parts) else None


def _published_on(item: Item) -> RenderElement | None:
    day = _day(item)
    if day is None:
        return None
    return markup(f"{day.day} {day:%B %Y}", tag="time", attributes={"datetime": day.isoformat()})


def _day(item: Item) -> date | None:
    text = item.text("field_published_on")
    return date.fromisoformat(text) if text else None


def _reading_time(item: Item) -> RenderElement | None:
    minutes = item.integer("field_reading_minutes")
    return markup(f"{minutes} min read") if minutes else None


def _badge(item: Item) -> RenderElement | None:
    return (
        markup("Featured", tag="strong", classes="chip chip--info")
        if item.boolean("field_featured")
        else None
    )


def _summary(item: Item) -> RenderElement | None:
    summary = item.text("field_summary")
    return markup(summary, tag="p", classes="lead") if summary else None


def _body(item: Item) -> RenderElement | None:
    body = item.field("field_body")
    return markup(body["value"], format=body.get("format", "plain_text"), tag="div") if body else None

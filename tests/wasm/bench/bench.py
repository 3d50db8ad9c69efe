"""What the benchmarks call: a view that reads three fields and writes one, and a page that waits for the host."""

from trovato_sdk import Item, Page, PageRequest, RenderElement, container, markup, tap, variables


@tap
def item_view(item: Item) -> RenderElement:
    body = item.text("field_body") or ""
    item.set_integer("field_length", len(body))
    return container(
        markup(item.text("field_summary") or "", tag="p"),
        markup(body, format="filtered_html"),
        markup(item.text("field_byline") or "", tag="footer"),
        classes="bench",
    )


@tap
def page(request: PageRequest) -> Page:
    return Page(variables.get(request.function))

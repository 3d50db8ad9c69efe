"""What is to be done to which items, as the content list and programs send it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from kernel.batch.delete_items import DELETE_ITEMS
from kernel.batch.operation import Operation
from kernel.batch.publish_items import PUBLISH_ITEMS, UNPUBLISH_ITEMS
from kernel.batch.selection import Selection
from kernel.errors import BadInput, Invalid
from kernel.form.build import build_form
from kernel.form.model import Element, Form, Submission
from kernel.form.token import build_dedupe_key, read_build_id
from kernel.ids import parse_uuid
from web.batch_view import count_items
from web.content_filter import FILTER_NAMES, ContentFilter, read_content_filter, read_filter_document

BULK_PATH: Final = "/admin/content/bulk"
BULK_FORM: Final = "content_bulk"
DOCUMENT_KEYS: Final = frozenset({"action", "items", "filter"})
ENTRY_KEYS: Final = frozenset({"id", "revision"})
# So many may be named one by one; more are chosen by a filter.
LISTED_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Action:
    """`name` is what forms and programs say, `label` stands on the button."""

    name: str
    label: str
    operation: Operation
    warning: str
    is_danger: bool = False


ACTIONS: Final = {
    action.name: action
    for action in (
        Action("publish", "Publish", PUBLISH_ITEMS, "Visitors can see them then."),
        Action("unpublish", "Unpublish", UNPUBLISH_ITEMS, "Visitors cannot see them any more then."),
        Action(
            "delete",
            "Delete",
            DELETE_ITEMS,
            "They disappear from the site with all their revisions. This cannot be undone.",
            is_danger=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Choice:
    """`items` are ids with the revisions that were seen, empty when `is_everything` that the filter finds is meant."""

    action: Action
    items: Mapping[UUID, UUID | None]
    filter: ContentFilter
    is_everything: bool
    is_confirmed: bool = False

    @property
    def needs_word(self) -> bool:
        """Whether somebody should be asked once more."""
        return self.action.is_danger or self.is_everything

    def as_selection(self) -> Selection:
        return self.filter.as_selection() if self.is_everything else Selection(listed=len(self.items))

    def as_values(self) -> dict[str, str]:
        """What its form sends."""
        items = (
            ""
            if self.is_everything
            else ",".join(f"{item} {seen or '-'}" for item, seen in self.items.items())
        )
        return {
            **self.filter.as_query(),
            "action": self.action.name,
            "items": items,
            "everything": "1" if self.is_everything else "",
            "confirmed": "1",
        }


def read_bulk_form(submitted: Mapping[str, Sequence[str]], types: Collection[str]) -> Choice:
    """Ticked rows send `item` each, the question that follows one `items`. Raises BadInput and NotFound."""

    def last(name: str) -> str:
        return (submitted.get(name) or [""])[-1]

    texts = [*submitted.get("item", ()), *(text for text in last("items").split(",") if text)]
    is_everything = bool(last("everything"))
    return Choice(
        _read_action(last("action")),
        {} if is_everything else _read_items(_split(text) for text in texts),
        read_content_filter({name: last(name) for name in FILTER_NAMES}, types),
        is_everything,
        is_confirmed=bool(last("confirmed")),
    )


def read_bulk_document(document: Mapping[str, Any], types: Collection[str]) -> Choice:
    """Either `items`, a list of `{"id": …, "revision": …}` (without a revision any is meant), or a `filter`. Raises
    BadInput and NotFound."""
    unknown = [str(key)[:64] for key in document if key not in DOCUMENT_KEYS]
    if unknown:
        known = ", ".join(sorted(DOCUMENT_KEYS))
        raise Invalid(dict.fromkeys(unknown, f"There is no such key. A document has: {known}."))
    items, wanted = document.get("items"), document.get("filter")
    if (items is None) == (wanted is None):
        raise Invalid({"items": "Name either `items` or a `filter`; an empty filter means everything."})
    action = _read_action(document.get("action"))
    if wanted is not None:
        if not isinstance(wanted, Mapping):
            raise Invalid({"filter": "The filter must be an object; an empty one means everything."})
        chosen = read_filter_document(wanted, types, place="filter.")
        return Choice(action, {}, chosen, is_everything=True)
    if not isinstance(items, list) or not items or not all(isinstance(entry, Mapping) for entry in items):
        raise Invalid({"items": 'Items are a list of objects such as {"id": "…", "revision": "…"}.'})
    # A misspelt key must not turn into a change of whatever is there by now.
    strange = sorted({str(key)[:64] for entry in items for key in entry if key not in ENTRY_KEYS})
    if strange:
        raise Invalid(
            {"items": f"An item has no key '{strange[0]}'. It has: {', '.join(sorted(ENTRY_KEYS))}."}
        )
    pairs = [(entry.get("id"), entry.get("revision")) for entry in items]
    return Choice(action, _read_items(pairs), ContentFilter(), is_everything=False)


def build_confirm_form(choice: Choice, count: int | None, back: str) -> Form:
    """Asks before many items are changed or any is deleted; `count` is None where nobody may know it."""
    subject = "all that match" if count is None else count_items(count)
    values = choice.as_values()
    return build_form(
        BULK_FORM,
        action=BULK_PATH,
        elements=[Element("hidden", name, default=value) for name, value in values.items()],
        submit=f"{choice.action.label} {subject}",
        title=f"{choice.action.label} {subject}?",
        intro=choice.action.warning,
        cancel=back,
        danger=choice.action.is_danger,
    )


def build_bulk_key(actor_id: UUID, choice: Choice, submitted: Mapping[str, Sequence[str]]) -> str | None:
    """Equal for two presses of one button."""
    form = build_confirm_form(choice, len(choice.items), BULK_PATH)
    sent = Submission(choice.as_values(), {}, {}, read_build_id(submitted))
    return build_dedupe_key(form, actor_id, sent)


def _read_action(name: object) -> Action:
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise BadInput(f"There is no such action. There are: {', '.join(ACTIONS)}.")
    return action


def _read_items(pairs: Iterable[tuple[Any, Any]]) -> dict[UUID, UUID | None]:
    """Each item once, however often it is named; None in place of a revision means any."""
    items: dict[UUID, UUID | None] = {}
    for item_text, seen_text in pairs:
        item_id = parse_uuid(item_text) if isinstance(item_text, str) else None
        seen = parse_uuid(seen_text) if isinstance(seen_text, str) else None
        if item_id is None or (seen is None and seen_text is not None):
            raise BadInput("An item is named by its id and the id of the revision that you saw.")
        items[item_id] = seen
        if len(items) > LISTED_MAX:
            raise BadInput(f"Name {LISTED_MAX:,} items at most. More are chosen by a filter, all at once.")
    return items


def _split(text: str) -> tuple[str, str | None]:
    item_id, _, seen = text.partition(" ")
    return item_id, None if seen == "-" else seen

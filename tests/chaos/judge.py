"""Compares what the clients were told with what is there; the ledger's own opinion is not asked.

A request that was accepted happened once, one that was refused did not happen, one that was never answered happened
once or not at all; and nothing is there that nobody asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.chaos.record import Asked


@dataclass(frozen=True, slots=True)
class Revision:
    id: str
    item: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class StoredItem:
    """`months` are those that its search index names, from what a plugin added to it after the save."""

    id: str
    type: str
    title: str
    text: str
    day: str
    current: str
    months: frozenset[str]


@dataclass(frozen=True, slots=True)
class Violation:
    """`kind` is counted, `text` says which one."""

    kind: str
    text: str


MONTHS = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905  # easier to read
)


def judge(
    requests: Mapping[int, Asked], items: Iterable[StoredItem], revisions: Iterable[Revision]
) -> list[Violation]:
    items, revisions = {item.id: item for item in items}, list(revisions)
    found = [*check_answers(requests.values()), *check_strangers(requests.values(), items, revisions)]
    by_title = defaultdict(list)
    for revision in revisions:
        by_title[revision.title].append(revision)
    gone = find_deleted(requests.values())
    for request in requests.values():
        if request.act == "delete":
            found += check_delete(request, items)
        else:
            found += check_save(request, by_title[request.title], gone)
    by_item = defaultdict(list)
    for revision in revisions:
        by_item[revision.item].append(revision)
    saves = {request.title: request for request in requests.values() if request.title}
    for item in items.values():
        found += check_chain(item, by_item[item.id], saves)
    return found


def check_answers(requests: Iterable[Asked]) -> list[Violation]:
    """An answer that was once given stays: repetitions of a request are told the same."""
    found = []
    for request in requests:
        if len(set(request.accepted)) > 1:
            found.append(Violation("two answers", f"{request}: told {sorted(set(request.accepted))}"))
        if request.accepted and request.refused:
            found.append(Violation("two answers", f"{request}: accepted, and refused with {request.refused}"))
        elif request.refused and not (request.is_shared and set(request.refused) == {409}):
            found.append(Violation("refused without a reason", f"{request}: {request.refused}"))
    return found


def check_strangers(
    requests: Iterable[Asked], items: Mapping[str, StoredItem], revisions: Iterable[Revision]
) -> list[Violation]:
    """What is there and nobody asked for."""
    titles = {request.title for request in requests if request.title}
    found = [
        Violation("nobody asked for it", f"item {item.id} {item.title!r}")
        for item in items.values()
        if item.title not in titles
    ]
    found += [
        Violation("nobody asked for it", f"revision {revision.id} {revision.title!r}")
        for revision in revisions
        if revision.title not in titles
    ]
    return found


def find_deleted(requests: Iterable[Asked]) -> dict[str, bool]:
    """Items that clients asked to delete: True when one of them was told that it is gone."""
    gone: dict[str, bool] = {}
    for request in requests:
        if request.act == "delete" and not request.is_refused:
            gone[request.item] = gone.get(request.item, False) or request.is_accepted
    return gone


def check_delete(request: Asked, items: Mapping[str, StoredItem]) -> list[Violation]:
    if request.is_accepted and request.item in items:
        return [Violation("deleted and still there", f"{request}: {items[request.item].title!r}")]
    return []


def check_save(request: Asked, revisions: list[Revision], gone: Mapping[str, bool]) -> list[Violation]:
    """`revisions` are those that bear the request's title."""
    found = []
    if len(revisions) > 1:
        found.append(
            Violation("happened twice", f"{request}: revisions {[revision.id for revision in revisions]}")
        )
    if request.is_refused and revisions:
        found.append(Violation("refused and done", f"{request}: told {request.refused}, and it is there"))
    if request.is_imported and not revisions and request.item not in gone:
        found.append(Violation("accepted and lost", f"{request}: the imported line is not there"))
    if request.is_accepted:
        item, revision_id = request.accepted[0]
        there = [revision for revision in revisions if (revision.id, revision.item) == (revision_id, item)]
        if not there and item not in gone:
            found.append(Violation("accepted and lost", f"{request}: revision {revision_id} is not there"))
        elif there and there[0].text != request.text:
            found.append(Violation("other content", f"{request}: the revision holds another text"))
    return found


def check_chain(item: StoredItem, revisions: list[Revision], saves: Mapping[str, Asked]) -> list[Violation]:
    """Each revision was made from the one before it, and the item shows the last one."""
    found = []
    asked = {revision.id: saves[revision.title] for revision in revisions if revision.title in saves}
    bases = Counter(request.base for request in asked.values())
    found += [
        Violation("chain forks", f"item {item.id}: {count} revisions were made from {base}")
        for base, count in bases.items()
        if count > 1
    ]
    found += [
        Violation("chain breaks", f"{request}: its base {request.base} is not there")
        for request in asked.values()
        if request.base is not None and request.base not in asked
    ]
    last = [request for revision_id, request in asked.items() if revision_id not in bases]
    if item.current not in asked or item.current in bases:
        found.append(Violation("not the last one", f"item {item.id} shows {item.title!r}, last is {last}"))
        return found
    shown = asked[item.current]
    if (item.type, item.title, item.text, item.day) != (shown.type, shown.title, shown.text, shown.day):
        found.append(Violation("other content", f"item {item.id} differs from its revision: {shown}"))
    expected = {MONTHS[int(shown.day[5:7]) - 1]} if shown.day else set()
    if item.months != expected:
        found.append(
            Violation(
                "index is not current", f"{shown}: found by {sorted(item.months)}, not {sorted(expected)}"
            )
        )
    return found

"""What a plugin asks for, in sentences for whoever has to approve it, and what a new version asks for beyond that."""

from collections.abc import Iterable, Mapping
from typing import Final

from kernel.plugin.model import Manifest
from kernel.tap.catalogue import (
    CRON,
    FORM_ALTER,
    FORM_SUBMIT,
    FORM_VALIDATE,
    ITEM_ACCESS,
    ITEM_DELETE,
    ITEM_INSERT,
    ITEM_PRESAVE,
    ITEM_UPDATE,
    ITEM_UPDATE_INDEX,
    ITEM_VIEW,
    PAGE,
    QUEUE_WORKER,
    Tap,
)

_TAP_WISHES: Final[Mapping[str, tuple[Tap, ...]]] = {
    "Decide who may see, edit and delete {items}": (ITEM_ACCESS,),
    "Change {items} before they are saved": (ITEM_PRESAVE,),
    "Hear of {items} that are saved or deleted": (ITEM_INSERT, ITEM_UPDATE, ITEM_DELETE),
    "Add to the pages of {items}": (ITEM_VIEW,),
    "Add to what search finds {items} by": (ITEM_UPDATE_INDEX,),
    "Bring pages of its own": (PAGE,),
    "Work by itself, every minute or when something waits on its queues": (CRON, QUEUE_WORKER),
}


def list_wishes(manifest: Manifest) -> tuple[str, ...]:
    """One sentence each, the graver first; empty for a plugin that asks for nothing."""
    may = manifest.may
    wishes = [f"Send requests to {host}" for host in sorted(may.hosts)]
    wishes += [f"Save items of the type “{name}”" for name in sorted(may.write_types)]
    wishes += [f"Read items of the type “{name}”" for name in sorted(may.read_types)]
    wishes += [f"Read the setting “{name}”" for name in sorted(may.variables)]
    wishes += [f"Learn whether somebody has the permission “{name}”" for name in sorted(may.permissions)]
    wishes += [
        f"Keep a table “{name}” of its own, with {', '.join(column.name for column in table.columns) or 'no columns'}"
        for name, table in sorted(may.tables.items())
    ]
    wishes += [f"Let other plugins call its function “{name}”" for name in sorted(manifest.functions)]
    return (*wishes, *_list_tap_wishes(manifest), *_list_form_wishes(manifest), *_list_seen_fields(manifest))


def list_new_wishes(old: Manifest | None, new: Manifest) -> tuple[str, ...]:
    """What has to be approved: everything of a plugin that was not there before."""
    known = set(list_wishes(old)) if old is not None else set()
    return tuple(wish for wish in list_wishes(new) if wish not in known)


def _list_tap_wishes(manifest: Manifest) -> Iterable[str]:
    """What its taps let it take part in; those that only declare something are no wish."""
    for sentence, taps in _TAP_WISHES.items():
        options = [manifest.taps[tap.name] for tap in taps if tap.name in manifest.taps]
        if options:
            types = {kind for one in options for kind in one.types or ()}
            is_limited = all(one.types is not None for one in options)
            items = f"items of {', '.join(sorted(types))}" if is_limited else "items"
            yield sentence.format(items=items)


def _list_form_wishes(manifest: Manifest) -> Iterable[str]:
    forms = {name: options.forms for name, options in manifest.taps.items()}
    read = forms.get(FORM_VALIDATE.name, frozenset()) | forms.get(FORM_SUBMIT.name, frozenset())
    for form_id in sorted(read):
        yield f"See what people enter into the form “{form_id}”, but for passwords"
    for form_id in sorted(forms.get(FORM_ALTER.name, ())):
        yield f"Add to the form “{form_id}”, and change words of it"


def _list_seen_fields(manifest: Manifest) -> Iterable[str]:
    """Fields of items that the plugin is shown, whichever taps they come with."""
    fields = {name for options in manifest.taps.values() for name in options.fields or ()}
    return (f"See the field “{name}”" for name in sorted(fields))

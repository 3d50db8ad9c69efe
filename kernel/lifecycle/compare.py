"""What a plugin asks for, in sentences for whoever has to approve it, and what a new version asks for beyond that."""

from collections.abc import Iterable

from kernel.plugin.model import Manifest


def list_wishes(manifest: Manifest) -> tuple[str, ...]:
    """One sentence each, the graver first; empty for a plugin that asks for nothing."""
    may = manifest.may
    wishes = []
    if may.raw_sql:
        wishes.append("Run SQL of its own")
    wishes += [f"Send requests to {host}" for host in sorted(may.hosts)]
    wishes += [f"Save items of the type “{name}”" for name in sorted(may.write_types)]
    wishes += [f"Read items of the type “{name}”" for name in sorted(may.read_types)]
    wishes += [f"Read the setting “{name}”" for name in sorted(may.variables)]
    wishes += [f"Learn whether somebody has the permission “{name}”" for name in sorted(may.permissions)]
    wishes += [f"Keep a table “{name}” of its own" for name in sorted(may.tables)]
    return (*wishes, *_list_seen_fields(manifest))


def list_new_wishes(old: Manifest | None, new: Manifest) -> tuple[str, ...]:
    """What has to be approved: everything of a plugin that was not there before."""
    known = set(list_wishes(old)) if old is not None else set()
    return tuple(wish for wish in list_wishes(new) if wish not in known)


def _list_seen_fields(manifest: Manifest) -> Iterable[str]:
    """Fields of items that the plugin is shown, whichever taps they come with."""
    fields = {name for options in manifest.taps.values() for name in options.fields or ()}
    return (f"See the field “{name}”" for name in sorted(fields))

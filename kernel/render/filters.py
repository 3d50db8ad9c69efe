"""What templates use to show times, numbers and stages."""

import html
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final

from markupsafe import Markup

from kernel import clock
from kernel.names import LIVE
from kernel.render.tags import INLINE_TAGS

_STAGE_HUES: Final = 6
_TEASER_PARAGRAPHS: Final = 5
_LEAD: Final = re.compile(r'<p class="lead">(.*?)</p>', re.DOTALL)
_PARAGRAPH: Final = re.compile(r"<p>(.*?)</p>", re.DOTALL)
_TAG: Final = re.compile(r'</?([a-z0-9]+)[^>"]*(?:"[^"]*"[^>"]*)*>')
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
# Where the reader of the page that is being rendered tells the time; None where that is not known.
_ZONE: Final[ContextVar[tzinfo | None]] = ContextVar("zone", default=None)


@contextmanager
def in_zone(zone: tzinfo | None) -> Iterator[None]:
    """What is rendered inside shows its times there."""
    token = _ZONE.set(zone)
    try:
        yield
    finally:
        _ZONE.reset(token)


def show_date(value: datetime | str, *, seconds: bool = False) -> Markup:
    """`21 November 2026`, inside <time>; its title is exact, to the second when that matters."""
    when = _read_time(value)
    here = _read_here(when)
    return _time(when, f"{here.day} {here:%B %Y}", has_seconds=seconds)


def show_datetime(value: datetime | str) -> Markup:
    """`21 Nov 2026, 10:06 CET`, inside <time>; to a stranger in UTC and, where scripts run, as the device tells it."""
    when = _read_time(value)
    here = _read_here(when)
    marked = Markup(' data-js="local-time"') if _ZONE.get() is None else ""
    return Markup('<time datetime="{}"{}>{} {:%b %Y, %H:%M} {}</time>').format(
        when.isoformat(), marked, here.day, here, _name_zone(here)
    )


def show_ago(value: datetime | str, *, seconds: bool = False) -> Markup:
    """`3 minutes ago`; a date when it is longer ago than a week. Not for pages that are cached."""
    when = _read_time(value)
    past_s = (clock.now() - when).total_seconds()
    if past_s >= 7 * 86_400:
        return show_date(when, seconds=seconds)
    for size, unit in _UNITS:
        count = int(past_s // size)
        if count >= 1:
            return _time(when, f"{count} {unit}{'' if count == 1 else 's'} ago", has_seconds=seconds)
    return _time(when, "just now", has_seconds=seconds)


def show_as(value: datetime | str, text: str) -> Markup:
    """A time in other words, such as `in 3 minutes`."""
    return _time(_read_time(value), text)


def show_number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def teaser(parts: Sequence[str], length: int = 240) -> str:
    """The first words of rendered HTML as plain text, `length` characters at most and never half a word.
    A paragraph of class `lead` was written for this; else those without a class were written to be read, and
    where there is neither, every word counts."""
    rendered = " ".join(parts)
    written = (
        _LEAD.findall(rendered)
        or [match[1] for match in islice(_PARAGRAPH.finditer(rendered), _TEASER_PARAGRAPHS)]
        or [rendered]
    )
    text = " ".join(html.unescape(_TAG.sub(_part, " ".join(written))).split())
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0].rstrip(",;:.– ") + "…"


def _part(tag: re.Match[str]) -> str:
    """Blocks part words, inline elements do not."""
    return "" if tag.group(1) in INLINE_TAGS else " "


def stage_class(stage_id: str) -> str:
    """The class that gives a stage its colour: one for live, always the same one of six for another."""
    return "stage-live" if stage_id == LIVE else f"stage-{zlib.crc32(stage_id.encode()) % _STAGE_HUES + 1}"


def _time(when: datetime, text: str, *, has_seconds: bool = False) -> Markup:
    here = _read_here(when)
    title = f"{here.day} {here:%B %Y, {'%H:%M:%S' if has_seconds else '%H:%M'}} {_name_zone(here)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(when.isoformat(), title, text)


def _read_time(value: datetime | str) -> datetime:
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _read_here(when: datetime) -> datetime:
    return clock.read_clock(when, _ZONE.get() or UTC)


def _name_zone(here: datetime) -> str:
    """`CET` in winter and `CEST` in summer, so that an hour that comes twice is told apart; `UTC+05:45` where the zone
    has no such name."""
    name = here.tzname() or "UTC"
    if name[0] not in "+-":
        return name
    return f"UTC{name[:3]}{':' if name[3:] else ''}{name[3:]}"

"""What templates use to show times, numbers and stages."""

import html
import re
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
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


def show_date(value: datetime | str) -> Markup:
    """`21 November 2026`, inside <time>."""
    when = _read_time(value)
    return _time(when, f"{when.day} {when:%B %Y}")


def show_datetime(value: datetime | str) -> Markup:
    """`21 Nov 2026, 10:06 UTC`, inside <time>; where scripts run, in the reader's own time zone."""
    when = _read_time(value)
    return Markup('<time datetime="{}" data-js="local-time">{} {:%b %Y, %H:%M} UTC</time>').format(
        when.isoformat(), when.day, when
    )


def show_ago(value: datetime | str) -> Markup:
    """`3 minutes ago`; a date when it is longer ago than a week. Not for pages that are cached."""
    when = _read_time(value)
    seconds = (clock.now() - when).total_seconds()
    if seconds >= 7 * 86_400:
        return show_date(when)
    for size, unit in _UNITS:
        count = int(seconds // size)
        if count >= 1:
            return _time(when, f"{count} {unit}{'' if count == 1 else 's'} ago")
    return _time(when, "just now")


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


def _time(when: datetime, text: str) -> Markup:
    title = f"{when.day} {when:%B %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(when.isoformat(), title, text)


def _read_time(value: datetime | str) -> datetime:
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)

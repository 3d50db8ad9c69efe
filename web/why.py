"""Why plugins' answers on a page were kept or not, told to administrators who ask with `?why=1`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from quart import request

from kernel.context import Actor
from kernel.tap.record import Record
from kernel.tap.witness import Finding, Outcome, Witness

# Links to items of one row; a listing has more.
LINKS_MAX: Final = 5
_CHIPS: Final[dict[Outcome, tuple[str, str]]] = {
    "hit": ("From before", "chip--good"),
    "made": ("Made and kept", "chip--info"),
    "not_kept": ("Made for once", "chip--warn"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Answers of one plugin for the same reasons. `paths` are of the items that they show, none for a page; `more` is
    how many are not named."""

    plugin: str
    function: str
    label: str
    chip: str
    paths: tuple[str, ...]
    more: int
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Why:
    page: str
    reasons: tuple[Reason, ...]


def open_witness(actor: Actor) -> Witness:
    """Takes note of each answer only where somebody asks who may know."""
    is_asked = actor.is_admin and request.args.get("why") == "1"
    return Witness(findings=[] if is_asked else None)


def build_why(witness: Witness, *, is_for_all: bool, has_gaps: bool) -> Why | None:
    """None when nobody asked. `is_for_all` says that the page is one that strangers share."""
    if witness.findings is None:
        return None
    groups: dict[tuple[str, str, Outcome, tuple[str, ...]], list[Finding]] = {}
    for finding in witness.findings:
        sentences = tuple(finding.record.describe())
        groups.setdefault((finding.plugin, finding.function, finding.outcome, sentences), []).append(finding)
    reasons = tuple(
        _build_reason(plugin, function, outcome, sentences, found)
        for (plugin, function, outcome, sentences), found in groups.items()
    )
    return Why(_tell_page(witness.record, is_for_all=is_for_all, has_gaps=has_gaps), reasons)


def _build_reason(
    plugin: str, function: str, outcome: Outcome, sentences: tuple[str, ...], found: Sequence[Finding]
) -> Reason:
    label, chip = _CHIPS[outcome]
    paths = tuple(f"/item/{finding.subject}" for finding in found if finding.subject)
    return Reason(plugin, function, label, chip, paths[:LINKS_MAX], max(len(paths) - LINKS_MAX, 0), sentences)


def _tell_page(record: Record, *, is_for_all: bool, has_gaps: bool) -> str:
    if not is_for_all:
        return "The page as a whole is made for each visitor."
    if has_gaps:
        return "The page as a whole is not kept, since a plugin failed on it."
    if record.obstacle:
        return "The page as a whole is not kept, since an answer on it is not."
    ends = "until something changes that it shows"
    if record.ttl_s is not None:
        ends = f"for {max(record.ttl_s, 0):.0f} s at most, and {ends}"
    return f"Visitors without a session share one page, which is kept {ends}."

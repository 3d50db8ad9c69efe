"""What the answers of plugins on one page depend on together, and, for whoever asks, what became of each."""

from dataclasses import dataclass, field
from typing import Literal

from kernel.tap.record import Record

Outcome = Literal["hit", "made", "not_kept"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: `subject` is the id of the item that was shown, "" for a page. A `hit` was kept from before, what was
    `made` is kept from now on."""

    plugin: str
    function: str
    subject: str
    outcome: Outcome
    record: Record


@dataclass(slots=True)
class Witness:
    """`findings` is None where nobody asks for them."""

    record: Record = field(default_factory=Record)
    findings: list[Finding] | None = None

    def note(self, plugin: str, function: str, subject: str, outcome: Outcome, record: Record) -> None:
        self.record.merge(record)
        if self.findings is not None:
            self.findings.append(Finding(plugin, function, subject, outcome, record))

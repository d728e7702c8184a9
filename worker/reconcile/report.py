"""The report of a reconciliation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from datetime import datetime

Fault = Literal["missing", "duplicated", "different", "extra", "unreadable", "edited"]
#: Every fault. "unreadable": one of the sides shows a record that cannot be read, so the order was not compared. An
#: "edited" order is none: people changed it in the target after it was sent, and an update leaves that as it is.
FAULTS: Final[tuple[Fault, ...]] = ("missing", "duplicated", "different", "extra", "unreadable")


@dataclass(frozen=True, slots=True)
class Finding:
    """One order with a fault. `values` maps each field to its texts in source and target: personal data."""

    fault: Fault
    reference: str
    #: The order key; "" where only the target knows the order.
    key: str = ""
    target_ids: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    #: Its state in the ledger.
    state: str = ""
    #: What was done, or what to do.
    remedy: str = ""
    values: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def as_json(self, *, values: bool = False) -> dict[str, Any]:
        """Return plain data without empty fields; with `values`, the personal data too."""
        fields = {name: getattr(self, name) for name in self.__slots__ if values or name != "values"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items() if value}


@dataclass(slots=True)
class Report:
    """The pair, the range, the counts, and the first findings of each fault.

    `counts` has, besides the faults: source (orders that must be in the target), target (orders listed there),
    edited (by people in the target), on_the_way (in the lane, or changed a moment ago), unlisted (in the target, but
    not in its list), older (placed before the range), gone (no longer in the source), discarded (by a person), queued
    (again, by a repair).
    """

    provider: str
    target: str
    since: datetime
    until: datetime
    #: How the target was read: "listed", or "asked" for one order after the other, which finds missing orders only.
    how: Literal["listed", "asked"]
    #: The fields that were compared; none if the target has no view.
    compared: tuple[str, ...] = ()
    most: int = 20
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether the target has each order of the range once, with the same content, and no other order."""
        return not any(self.counts[fault] for fault in FAULTS)

    def add(self, finding: Finding) -> None:
        """Count the finding, and keep it if it is among the first of its fault."""
        self.counts[finding.fault] += 1
        if self.counts[finding.fault] <= self.most:
            self.findings.append(finding)

    def counted(self) -> dict[str, int]:
        """Return the counts, with a 0 for each fault that was not found."""
        return dict.fromkeys(FAULTS, 0) | dict(self.counts)

    def as_json(self, *, values: bool = False) -> dict[str, Any]:
        """Return plain data; with `values`, the personal data too."""
        return {
            "provider": self.provider,
            "target": self.target,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "how": self.how,
            "compared": list(self.compared),
            "clean": self.clean,
            "counts": self.counted(),
            "findings": [finding.as_json(values=values) for finding in self.findings],
        }

"""What a reconciliation found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from datetime import datetime

Fault = Literal["missing", "doubled", "different", "extra", "unreadable"]
#: All that is not clean. "unreadable" could not be judged: one of the sides shows something that cannot be read.
FAULTS: Final[tuple[Fault, ...]] = ("missing", "doubled", "different", "extra", "unreadable")


@dataclass(frozen=True, slots=True)
class Finding:
    """One order that is not as it should be; `values` (source, target; by field) are personal."""

    fault: Fault
    reference: str
    #: The order key; "" where only the target knows the order.
    key: str = ""
    target_ids: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    #: What the ledger believes of it.
    state: str = ""
    #: What was done about it, or has to be.
    remedy: str = ""
    values: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def as_json(self, *, values: bool = False) -> dict[str, Any]:
        """Plain data, without what is empty; `values` only if they are asked for."""
        told = {name: getattr(self, name) for name in self.__slots__ if values or name != "values"}
        return {name: list(it) if isinstance(it, tuple) else it for name, it in told.items() if it}


@dataclass(slots=True)
class Report:
    """What was compared, what was found, and the first findings of each fault.

    `counts` has, beside the faults: source (orders that must be there), target (orders that were listed), on_the_way
    (in the lane, or changed a moment ago), unlisted (there, but not in the lists), older (of a time before the range),
    gone (not in the source any more), discarded (by a person), queued (again, by a repair).
    """

    provider: str
    target: str
    since: datetime
    until: datetime
    #: How the target was read: "listed", or "asked" order by order, which finds what is missing and no more.
    how: Literal["listed", "asked"]
    #: The fields that were compared; none where the kind has no view.
    compared: tuple[str, ...] = ()
    most: int = 20
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether each order of the range is in the target once, with its content, and nothing else is."""
        return not any(self.counts[fault] for fault in FAULTS)

    def add(self, finding: Finding) -> None:
        """Count it, and keep it if it is among the first of its fault."""
        self.counts[finding.fault] += 1
        if self.counts[finding.fault] <= self.most:
            self.findings.append(finding)

    def counted(self) -> dict[str, int]:
        """The counts, each fault among them, found or not."""
        return dict.fromkeys(FAULTS, 0) | dict(self.counts)

    def as_json(self) -> dict[str, Any]:
        """Plain data, with nothing personal in it."""
        return {
            "provider": self.provider,
            "target": self.target,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "how": self.how,
            "compared": list(self.compared),
            "clean": self.clean,
            "counts": self.counted(),
            "findings": [finding.as_json() for finding in self.findings],
        }

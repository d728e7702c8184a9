"""What a Dropboy account holds: files that were uploaded, and the jobs that they became."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Batch:
    """An uploaded file and how far it is."""

    id: str
    #: The rows of its `data`; none if it cannot be used.
    rows: list[Any]
    #: Why the file as a whole cannot be used.
    unusable: str | None
    status: str = "processing"
    seen: int = 0
    failed: int = 0
    created_ids: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    #: When it was through (monotonic).
    ended: float = float("inf")


@dataclass(slots=True)
class Job:
    """One transport job. `order` is as it was uploaded; `created` in seconds since 1970."""

    id: str
    wuxus_number: str
    order: dict[str, Any]
    status: str
    created: float
    batch: Batch | None

    @property
    def number(self) -> str | None:
        """The uploader's own number."""
        number = self.order.get("orderNumber")
        return None if number is None else str(number)

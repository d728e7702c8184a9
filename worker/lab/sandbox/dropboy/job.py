"""What a Dropboy account holds: uploaded files, and the jobs made from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Batch:
    """An uploaded file and the progress of its processing."""

    id: str
    #: The rows of its `data`; none if the file is unusable.
    rows: list[Any]
    #: Why the whole file is unusable, if it is.
    unusable: str | None
    status: str = "processing"
    #: The number of rows that were processed.
    processed: int = 0
    failed: int = 0
    created_ids: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    #: When its processing ended (monotonic).
    ended: float = float("inf")


@dataclass(slots=True)
class Job:
    """One transport job: `order` as it was uploaded, `created` in seconds since 1970."""

    id: str
    wuxus_number: str
    order: dict[str, Any]
    status: str
    created: float
    batch: Batch | None

    @property
    def number(self) -> str | None:
        """The order number given by the client that uploaded it."""
        number = self.order.get("orderNumber")
        return None if number is None else str(number)

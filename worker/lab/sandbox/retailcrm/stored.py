"""An order as the simulated RetailCRM stores it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Stored:
    """One order: the fields that filters use, and its text."""

    id: int
    external_id: str | None
    number: str
    site: str
    status: str
    created: str
    text: bytes

"""Placeholder until the settings land."""
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in so many seconds."""

    count: int
    period: float

"""Plain words for the ledger's counters."""

from __future__ import annotations

from typing import Final

#: The result for an order, by the ledger's name.
STATES: Final = {
    "dead": "not delivered",
    "in_doubt": "unclear",
    "held": "on hold",
    "retry": "retried",
}


def number(count: int) -> str:
    """Return a count with separators: 12,345."""
    return f"{count:,}"


def orders(count: int) -> str:
    """Return "1 order" or "12,345 orders"."""
    return "1 order" if count == 1 else f"{number(count)} orders"


def length(seconds: float | None) -> str:
    """Return a duration in at most two units, or an en dash for None."""
    if seconds is None:
        return "–"  # noqa: RUF001  # an empty cell
    if seconds < 10:  # noqa: PLR2004  # tenths matter below ten seconds
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {small}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"

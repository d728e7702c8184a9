"""Plain words for what the ledger counts."""

from __future__ import annotations

from typing import Final

#: What became of an order, by the ledger's name of it.
STATES: Final = {
    "dead": "not delivered",
    "in_doubt": "unclear",
    "held": "kept aside",
    "retry": "tried again",
}

#: Why, by its code.
REASONS: Final = {
    "auth_failed": "The system did not accept our credentials.",
    "bug": "A mistake in our adapter for this system.",
    "changed": "The order changed at its source, and a person decides what to do with it.",
    "error": "Something of ours went wrong.",
    "given_up": "It stayed unclear whether the order is there, and a person gave it up.",
    "held": "Something is missing in the settings, such as what an article or a status is called there.",
    "malformed": "An answer of the system could not be understood.",
    "permanent": "The system does not take this order.",
    "poison": "The order ended the process that was to send it, each time.",
    "rate_limited": "A limit of calls was reached.",
    "rejected": "The system looked at the order, and refused it.",
    "retryable": "It failed, and may work the next time.",
    "target_down": "The system was away for maintenance.",
    "too_large": "An answer of the system was too long to be read.",
    "too_many": "There was more at the system than can be read at once.",
    "unavailable": "The system could not be reached, or said that it cannot work now.",
    "uncertain": "The answer of the system got lost: it may have the order, and is asked before more is sent.",
}  # fmt: skip


def reason(code: str) -> str:
    """Why, in a sentence; a code that an adapter of somebody else made says itself."""
    return REASONS.get(code, f"{code.replace('_', ' ').capitalize()}.")


def number(count: int) -> str:
    """A count as people read it: 12,345."""
    return f"{count:,}"


def orders(count: int) -> str:
    """So many orders."""
    return "1 order" if count == 1 else f"{number(count)} orders"


def length(seconds: float | None) -> str:
    """A length of time with two of its units at most; an en dash where there is none."""
    if seconds is None:
        return "–"  # noqa: RUF001  # the sign for nothing in a table
    if seconds < 10:  # noqa: PLR2004  # below, tenths are worth telling
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {small}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"

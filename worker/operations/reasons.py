"""Why an order waits or failed, in plain words for each code."""

from __future__ import annotations

from typing import Final

#: The reason, by its code.
REASONS: Final = {
    "auth_failed": "The system did not accept Intake's credentials.",
    "bug": "A bug in Intake's adapter for this system.",
    "combined": "The goods of another order were combined into it, and a person must check that they are sent once.",
    "changed": "The order changed at its source, and a person must decide what to do with it.",
    "reference": "Another order in the target has the same reference, so this one waits for a different reference.",
    "error": "Intake itself failed.",
    "given_up": "It remained unclear whether the target has the order, and a person gave up.",
    "held": "The settings lack something, such as the target's name for an article or a status.",
    "malformed": "A response of the system could not be understood.",
    "misdirected": "A proxy or a maintenance page responded instead of the system.",
    "out_of_time": "The system responds too slowly for the time limit of one task.",
    "permanent": "The system does not accept this order.",
    "poison": "The order crashed the process that was sending it, every time.",
    "rate_limited": "A rate limit was reached.",
    "rejected": "The system refused the order.",
    "retryable": "It failed, and may succeed next time.",
    "target_down": "The system was unavailable for maintenance.",
    "too_large": "A response of the system was too large.",
    "too_many": "The system has more records than can be read at once.",
    "unrouted": "No route sends it to that system any more, and a person must decide.",
    "unavailable": "The system could not be reached, or reported that it is unavailable.",
    "uncertain": "The response was lost: the system may have the order, so it is searched before anything is sent.",
}  # fmt: skip


def reason(code: str) -> str:
    """Return the reason as a sentence; for a code of a third-party adapter, its own words."""
    return REASONS.get(code, f"{code.replace('_', ' ').capitalize()}.")

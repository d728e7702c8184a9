"""Why an order waits or failed, in plain words for each code."""

from __future__ import annotations

from typing import Final

#: The reason, by its code.
REASONS: Final = {
    "auth_failed": "The system did not accept our credentials.",
    "bug": "A mistake in our adapter for this system.",
    "combined": "The goods of another order were combined into it, and a person sees that they are sent once.",
    "changed": "The order changed at its source, and a person decides what to do with it.",
    "reference": "Another order of the target has its reference, so it waits for one of its own.",
    "error": "Something of ours went wrong.",
    "given_up": "It stayed unclear whether the order is there, and a person gave it up.",
    "held": "Something is missing in the settings, such as what an article or a status is called there.",
    "malformed": "An answer of the system could not be understood.",
    "misdirected": "Something else than the system answered, such as a proxy or a maintenance page.",
    "out_of_time": "The system answers so slowly that the time of one task was not enough.",
    "permanent": "The system does not take this order.",
    "poison": "The order ended the process that was to send it, each time.",
    "rate_limited": "A limit of calls was reached.",
    "rejected": "The system looked at the order, and refused it.",
    "retryable": "It failed, and may work the next time.",
    "target_down": "The system was away for maintenance.",
    "too_large": "An answer of the system was too long to be read.",
    "too_many": "There was more at the system than can be read at once.",
    "unrouted": "It was no longer to be sent to that system when its turn came, and a person decides.",
    "unavailable": "The system could not be reached, or said that it cannot work now.",
    "uncertain": "The answer of the system got lost: it may have the order, and is asked before more is sent.",
}  # fmt: skip


def reason(code: str) -> str:
    """Return the reason as a sentence; for a code of a third-party adapter, its own words."""
    return REASONS.get(code, f"{code.replace('_', ' ').capitalize()}.")

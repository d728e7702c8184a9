"""The words of the console for states and decisions: what each one is called, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from worker.store.console.users import Role

#: By the ledger's name of a state: what it is called, and how it is shown.
STATES: Final = {
    "queued": ("on its way", "busy"),
    "claimed": ("being sent", "busy"),
    "delivered": ("delivered", "well"),
    "held": ("held", "halted"),
    "in_doubt": ("in doubt", "halted"),
    "dead": ("not delivered", "halted"),
    "discarded": ("discarded", ""),
    "withdrawn": ("withdrawn", ""),
    "erased": ("erased", ""),
}


@dataclass(frozen=True, slots=True)
class Words:
    """What a decision is called, and what would happen; `{target}` is filled in."""

    label: str
    question: str
    consequences: tuple[str, ...]
    role: Role = "operator"
    danger: bool = False


#: By the name of a decision (see `worker/operations/decisions.py`).
DECISIONS: Final[dict[str, Words]] = {
    "resend": Words(
        "Send again",
        "Send this order to {target} again?",
        (
            "It goes back into the queue of {target}, and is sent with the content that is known now.",
            "It is not created twice: if {target} may already have it, {target} is searched first.",
            "If nothing was fixed, {target} will refuse it again.",
        ),
        role="support",
    ),
    "discard": Words(
        "Discard",
        "Discard this order for {target}?",
        (
            "It is not sent to {target}, and leaves the list of orders that wait for a person.",
            "If it changes at its source, it is sent after all.",
        ),
        danger=True,
    ),
    "release": Words(
        "Send it now",
        "Send this held order to {target}?",
        ("It goes into the queue of {target}, and is sent with the next sweep, about a second later.",),
    ),
    "drop": Words(
        "Leave it as it is",
        "Discard the held version of this order for {target}?",
        (
            "The order stays as it is in {target}.",
            "If {target} never had it, it is listed as not delivered, and can be sent again later.",
        ),
        danger=True,
    ),
    "ask": Words(
        "Ask {target}",
        "Ask {target} whether it has this order?",
        (
            "A worker searches {target} for the reference of this order within seconds. Nothing is written there.",
            "If it is there, it counts as delivered. If it is certainly not there, it is queued again.",
            "Otherwise it stays in doubt, and its page shows the new result.",
        ),
    ),
    "delivered": Words(
        "It is there",
        "Has somebody seen this order in {target}?",
        (
            "It counts as delivered, and is not sent again.",
            "Changes at its source are sent from now on.",
        ),
    ),
    "send": Words(
        "It is not there: send it",
        "Did somebody check that this order is not in {target}?",
        (
            "It is queued, and {target} is asked once more before it is created.",
            "If {target} has it but does not show it, the order is duplicated: look carefully.",
        ),
        danger=True,
    ),
    "bury": Words(
        "Give it up",
        "Give up this order for {target}?",
        ("It is listed as not delivered, and is not sent unless somebody sends it again.",),
        danger=True,
    ),
}

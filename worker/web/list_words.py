"""The words of the lists: what each list and each action on many is called, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from worker.operations.bulk import Action
    from worker.operations.waiting import ListName
    from worker.store.console.users import Role


@dataclass(frozen=True, slots=True)
class ListWords:
    """What a list is called, what its rows are, and what it means that one is in it."""

    label: str
    one: str
    many: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ActionWords:
    """What an action is called, the question before it ("{rows}" is filled in), and what would happen."""

    label: str
    question: str
    consequences: tuple[str, ...]
    done: str
    role: Role = "operator"
    danger: bool = False


LIST_WORDS: Final[dict[ListName, ListWords]] = {
    "dead": ListWords(
        "Dead",
        "order",
        "orders",
        "A target refused them, or every attempt failed: they are not sent again automatically.",
    ),
    "held": ListWords(
        "Held", "order", "orders", "Something is missing, or a person must agree: they are not sent yet."
    ),
    "in_doubt": ListWords(
        *("In doubt", "order", "orders"),
        "They may be in the target: the response was lost. The target is asked from time to time.",
    ),
    "records": ListWords(
        *("Unreadable", "record", "records"), "The shop sent them, and they could not be read as orders."
    ),
    "jobs": ListWords("Refused jobs", "job", "jobs", "Producers pushed them, and they could not be accepted."),
}
_AGAIN: Final = ActionWords(
    "Send again",
    "Send {rows} again?",
    (
        "They go back into the queue of their target, within its limit.",
        "None is created twice: a target that may already have one is searched first.",
        "If nothing was fixed, the target refuses them again.",
    ),
    "sent again",
    role="support",
)
ACTION_WORDS: Final[dict[ListName, dict[Action, ActionWords]]] = {
    "dead": {
        "resend": _AGAIN,
        "discard": ActionWords(
            "Discard",
            "Discard {rows}?",
            ("They leave this list and are not sent.", "An order that changes at its source is sent after all."),
            "discarded",
            danger=True,
        ),
    },
    "held": {
        "release": ActionWords(
            "Send",
            "Send {rows} that are held?",
            ("They are sent with the next sweep, about a second later.",),
            "released",
        ),
        "drop": ActionWords(
            "Leave as they are",
            "Discard the held versions of {rows}?",
            (
                "They stay as they are in the target.",
                "Those that the target never had are listed as dead, and can be sent again later.",
            ),
            "left as they are",
            danger=True,
        ),
    },
    "in_doubt": {
        "ask": ActionWords(
            "Ask the target",
            "Search the target for {rows}?",
            (
                "A worker searches for them within seconds, within the limit of the target. Nothing is written there.",
                "An order that is found counts as delivered. An order that is certainly not there is queued again.",
                "All others stay in doubt, and their pages show the new result.",
            ),
            "to be searched for",
        ),
        "delivered": ActionWords(
            "They are there",
            "Has somebody seen {rows} in the target?",
            ("They count as delivered, and are not sent again.",),
            "counted as delivered",
        ),
        "send": ActionWords(
            "They are not there: send them",
            "Has somebody checked that the target does not have {rows}?",
            (
                "They are queued, and the target is asked once more before each is created.",
                "If the target has an order but does not show it, the order is duplicated: look carefully.",
            ),
            "queued",
            danger=True,
        ),
        "bury": ActionWords(
            "Give them up",
            "Give up {rows}?",
            ("They are listed as dead, and are not sent unless somebody sends them again.",),
            "given up",
            danger=True,
        ),
    },
    "records": {
        "resend": ActionWords(
            "Read again",
            "Read {rows} again?",
            ("Each is fetched from its shop by its id. A record that can be read leaves this list.",),
            "read again with the next sweep",
            role="support",
        ),
        "discard": ActionWords(
            "Discard",
            "Discard {rows}?",
            ("They leave this list. A record that the shop sends again, and that still cannot be read, comes back.",),
            "discarded",
            danger=True,
        ),
    },
    "jobs": {
        "resend": ActionWords(
            "Push again",
            "Push {rows} again?",
            ("They go into the inbox, as if the producer had pushed them now.",),
            "pushed again",
            role="support",
        ),
        "discard": ActionWords(
            "Discard",
            "Discard {rows}?",
            ("They are deleted: afterwards only the producer has them.",),
            "discarded",
            danger=True,
        ),
    },
}


def count_rows(name: ListName, count: int) -> str:
    """Return a number of rows in words: "1 order", "1,200 records"."""
    words = LIST_WORDS[name]
    return f"{count:,} {words.one if count == 1 else words.many}"

"""The events of an order's history in plain words, for people who do not know the ledger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from worker.operations.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Callable

#: How an event is shown: it went on, it waits or is tried again, it stopped.
_WELL, _BUSY, _HALTED, _PLAIN = "well", "busy", "halted", ""


class Event(NamedTuple):
    """What happened, the other side's own sentence about it, and how it is shown."""

    title: str
    detail: str = ""
    tone: str = _PLAIN


_TITLES: Final = {
    "retry": ("Try {0} failed", _BUSY),
    "dead": ("Could not be delivered", _HALTED),
    "in_doubt": ("In doubt: the target may have it", _HALTED),
    "held": ("Held: it waits for a person", _HALTED),
    "still in doubt": ("Still in doubt", _HALTED),
}


def _failed(kind: str, code: str, detail: str, number: str = "") -> Event:
    title, tone = _TITLES[kind]
    return Event(title.format(number), f"{reason(code)} {detail[:1].upper()}{detail[1:]}".strip(), tone)


def _delivered(target_id: str, rest: str) -> Event:
    there = f"Its id there is {target_id}." if target_id else ""
    return Event("Found in the target" if "existed" in rest else "Delivered", there, _WELL)


def _changed(when: str, why: str) -> Event:
    return Event(f"Changed at the source {when}", why)


#: How each event begins, and what it means; the first pattern that matches the whole event decides.
_EVENTS: Final[tuple[tuple[str, Callable[..., Event]], ...]] = (
    (r"accepted (.*)", lambda source: Event("Accepted", _source(source))),
    (r"claimed again .*", lambda: Event("Claimed again by a worker")),
    (r"claimed .*", lambda: Event("Claimed by a worker")),
    (r"delivered (\S*)(.*)", _delivered),
    (r"updated (\S*).*", lambda there: Event("Change delivered", f"Its id there is {there}." if there else "", _WELL)),
    (r"cancelled (\S*).*", lambda _: Event("Cancelled in the target", "", _WELL)),
    (r"retry (\d+) (\S+) ?(.*)", lambda number, code, detail: _failed("retry", code, detail, number)),
    (r"(dead|in_doubt|held|still in doubt) (\S+) ?(.*)", _failed),
    (r"snoozed (\S+) .*", lambda code: Event("It waits", reason(code), _BUSY)),
    (r"pending (.*)", lambda _: Event("The target is processing it", "", _BUSY)),
    (r"taken over from .*", lambda: Event("Its worker stopped; another one takes it over", "", _BUSY)),
    (r"corrected (.*) by (.*)", lambda fields, who: Event("Corrected", f"{fields}, by {who}.", _BUSY)),
    (r"correction undone: (.*) by (.*)", lambda fields, who: Event("Correction undone", f"{fields}, by {who}.")),
    (r"replayed (.*)", lambda who: Event("Sent again", _by(who), _BUSY)),
    (r"discarded (.*)", lambda who: Event("Discarded", _by(who))),
    (r"change discarded (.*)", lambda who: Event("Its change was discarded", _by(who))),
    (r"change dropped", lambda: Event("Its change was dropped", "The target keeps what it has.")),
    (r"queued again asked: .*", lambda: Event("Queued again", "The target was asked, and does not have it.", _BUSY)),
    (r"queued again (.*)", lambda who: Event("Queued again", _by(who), _BUSY)),
    (r"to be searched for (.*)", lambda who: Event("The target will be searched", _by(who), _BUSY)),
    (r"to be sent again (.*)", lambda who: Event("To be sent again", _by(who), _BUSY)),
    (r"released: (.*)", lambda why: Event("Released", why, _BUSY)),
    (r"released", lambda: Event("Released", "", _BUSY)),
    (r"withdrawn: (.*)", lambda why: Event("Withdrawn: it was never sent", why)),
    (r"refused (\S+), and changed since it was sent", lambda code: Event("Refused, and changed since", reason(code))),
    (
        r"changed (before delivery|after delivery|since it was sent)(?:: |, )?(.*)",
        _changed,
    ),
)
_PATTERNS: Final = tuple((re.compile(pattern), make) for pattern, make in _EVENTS)
_SOURCES: Final = {
    "poll": "read from {}",
    "hint": "announced by {}",
    "push": "pushed by {}",
    "backfill": "backfill of {}",
}


def describe_event(event: str) -> Event:
    """Return an event of the history in plain words; the event itself, if it is not known."""
    for pattern, make in _PATTERNS:
        if match := pattern.fullmatch(event):
            return make(*match.groups())
    return Event(event[:1].upper() + event[1:])


def _source(source: str) -> str:
    kind, _, name = source.partition(" ")
    return _SOURCES[kind].format(name).capitalize() + "." if kind in _SOURCES and name else source


def _by(who: str) -> str:
    return f"{who[:1].upper()}{who[1:]}." if who else ""

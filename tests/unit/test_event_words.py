"""Every event of a history in plain words: none that the scripts write is shown as they write it."""

from __future__ import annotations

import re

import pytest

from support.source_texts import ROOT
from worker.operations.event_words import Event, describe_event

#: Each kind of event that the scripts write, with values as they have them.
EVENTS = {
    "accepted poll shop-nl": Event("Accepted", "Read from shop-nl."),
    "accepted reconcile": Event("Accepted", "reconcile"),
    "claimed host-1-ab": Event("Claimed by a worker"),
    "claimed again host-1-ab": Event("Claimed again by a worker"),
    "delivered 77": Event("Delivered", "Its id there is 77.", "well"),
    "delivered 77 existed": Event("Found in the target", "Its id there is 77.", "well"),
    "delivered  existed, asked": Event("Found in the target", "", "well"),
    "updated 77": Event("Change delivered", "Its id there is 77.", "well"),
    "cancelled 77": Event("Cancelled in the target", "", "well"),
    "retry 2 unavailable 503: later": Event(
        "Try 2 failed", "The system could not be reached, or reported that it is unavailable. 503: later", "busy"
    ),
    "snoozed rate_limited 2000": Event("It waits", "A rate limit was reached.", "busy"),
    "pending job 7": Event("The target is processing it", "", "busy"),
    "released": Event("Released", "", "busy"),
    "released: shop:2 is out of the way": Event("Released", "shop:2 is out of the way", "busy"),
    "dead rejected 422: city": Event("Could not be delivered", "The system refused the order. 422: city", "halted"),
    "in_doubt uncertain": Event(
        "In doubt: the target may have it",
        "The response was lost: the system may have the order, so it is searched before anything is sent.",
        "halted",
    ),
    "taken over from host-1-ab": Event("Its worker stopped; another one takes it over", "", "busy"),
    "corrected customer.phone by ann": Event("Corrected", "customer.phone, by ann.", "busy"),
    "correction undone: customer.phone by ann": Event("Correction undone", "customer.phone, by ann."),
    "replayed by ann": Event("Sent again", "By ann.", "busy"),
    "discarded by hand": Event("Discarded", "By hand."),
    "change discarded by hand": Event("Its change was discarded", "By hand."),
    "change dropped": Event("Its change was dropped", "The target keeps what it has."),
    "queued again asked: it is not there": Event("Queued again", "The target was asked, and does not have it.", "busy"),
    "queued again by reconcile: not there": Event("Queued again", "By reconcile: not there.", "busy"),
    "to be sent again by ann": Event("To be sent again", "By ann.", "busy"),
    "withdrawn: it was cancelled": Event("Withdrawn: it was never sent", "it was cancelled"),
    "changed before delivery": Event("Changed at the source before delivery"),
    "changed before delivery: it was cancelled": Event("Changed at the source before delivery", "it was cancelled"),
    "changed since it was sent": Event("Changed at the source since it was sent"),
    "changed after delivery, not carried out: on_change is ignore": Event(
        "Changed at the source after delivery", "not carried out: on_change is ignore"
    ),
    "something new": Event("Something new"),
}


@pytest.mark.parametrize(("event", "words"), EVENTS.items())
def test_an_event_is_told_in_plain_words(event: str, words: Event) -> None:
    assert describe_event(event) == words


def as_it_is(event: str) -> Event:
    """Return how an event that nobody knows is shown."""
    return Event(event[:1].upper() + event[1:])


def test_no_kind_of_event_that_a_script_writes_is_missing() -> None:
    scripts = "".join(path.read_text() for path in sorted((ROOT / "worker/store/orders").glob("*.lua")))
    kinds = set(re.findall(r"log\(key, '([a-z_]+(?: [a-z_]+)*)", scripts))
    assert len(kinds) > 15
    rests = ("", " x", " x y", " 1 x y", ": x", " x, and changed since it was sent")
    unknown = [
        kind for kind in sorted(kinds) if all(describe_event(kind + rest) == as_it_is(kind + rest) for rest in rests)
    ]
    assert unknown == []

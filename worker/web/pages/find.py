"""Find an order by whatever somebody knows of it. The text is never part of an address: it may be personal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.operations.lookup import find_by_email, find_orders, look_up
from worker.store.orders.held_data import Place
from worker.web.page import Page
from worker.web.paths import order_path
from worker.web.words import STATES

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.operations.lookup import FoundOrder
    from worker.web.visit import Visit

#: The most characters of a search, and the most orders that are listed.
_LONGEST, MOST = 254, 100
#: Seconds of a search for an e-mail address, until the page shows how far it is, and offers to continue.
_SECONDS: Final = 2.0


def _states(order: FoundOrder) -> list[tuple[str, str, str]]:
    """Return where an order is: a target ("" for none), the state in words, and how it is shown."""
    states = [
        (entry.target, *STATES.get(entry.record["state"], (entry.record["state"], ""))) for entry in order.entries
    ]
    states += [(found.target, "left out by a filter", "") for found in order.left_out]
    states += [("", "could not be read", "halted")] if order.unreadable else []
    return states + ([("", "is to be fetched", "busy")] if order.hint else [])


def _may_ask(visit: Visit) -> bool:
    """Return whether the targets can be asked: by this user, and with the credentials in the environment."""
    return visit.may("support") and not any(key.startswith("targets.") for key in visit.rt.settings.unset)


def _page(visit: Visit, text: str = "", **values: Any) -> Response:
    shown: dict[str, Any] = {
        "text": text,
        "searched": False,
        "asked": False,
        "may_ask": False,
        "orders": [],
        "more": 0,
        "by_email": False,
        "place": "",
        "share": 1.0,
        "keys": [],
    }
    return visit.render("find.html", **shown | values)


def _show(visit: Visit) -> Response:
    return _page(visit)


def _find(visit: Visit) -> Response:
    text, ask = visit.entry("q")[:_LONGEST], bool(visit.entry("ask")) and _may_ask(visit)
    if not text:
        return visit.redirect("/find")
    place = visit.entry("place")
    found = [] if place else find_orders(visit.rt, text, ask=ask)
    if not found and "@" in text:
        return _find_email(visit, text, Place.read(place))
    if len(found) == 1:
        return visit.redirect(order_path(found[0].key))
    return _page(visit, text, searched=True, asked=ask, may_ask=_may_ask(visit), **_listed(found))


def _listed(found: list[FoundOrder]) -> dict[str, Any]:
    orders = [(order.key, order.found_by, _states(order)) for order in found[:MOST]]
    return {"orders": orders, "more": max(0, len(found) - MOST)}


def _find_email(visit: Visit, email: str, place: Place) -> Response:
    """Search for an e-mail address, or continue to; a viewer does not even learn whether an order has it."""
    if not visit.may("support"):
        return _page(visit, email, searched=True, by_email=True)
    known = dict.fromkeys(visit.entries("key")[:MOST], "the e-mail address")
    orders, part = find_by_email(visit.rt, email, place, _SECONDS)
    found = look_up(visit.rt, known | dict.fromkeys((order.key for order in orders), "the e-mail address"))
    if part.place is None and len(found) == 1:
        return visit.redirect(order_path(found[0].key))
    shown = _listed(found)
    keys = [key for key, *_ in shown["orders"]]
    there = "" if part.place is None else str(part.place)
    return _page(visit, email, searched=True, by_email=True, place=there, share=part.share, keys=keys, **shown)


PAGES: Final = (
    Page("/find", _show, "viewer", menu="Find an order"),
    Page("/find", _find, "viewer", "POST", menu="Find an order"),
)

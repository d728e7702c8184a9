"""Find an order by whatever somebody knows of it. The text is never part of an address: it may be personal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.operations.lookup import find_orders
from worker.web.page import Page
from worker.web.paths import order_path
from worker.web.words import STATES

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.operations.lookup import FoundOrder
    from worker.web.visit import Visit

#: The most characters of a search, and the most orders that are listed.
_LONGEST, MOST = 200, 100


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


def _show(visit: Visit) -> Response:
    return visit.render("find.html", text="", searched=False, asked=False, may_ask=False, orders=[], more=0)


def _find(visit: Visit) -> Response:
    text, ask = visit.entry("q")[:_LONGEST], bool(visit.entry("ask")) and _may_ask(visit)
    if not text:
        return visit.redirect("/find")
    found = find_orders(visit.rt, text, ask=ask)
    if len(found) == 1:
        return visit.redirect(order_path(found[0].key))
    orders = [(order.key, order.found_by, _states(order)) for order in found[:MOST]]
    more = max(0, len(found) - MOST)
    may_ask = _may_ask(visit)
    return visit.render("find.html", text=text, searched=True, asked=ask, may_ask=may_ask, orders=orders, more=more)


PAGES: Final = (
    Page("/find", _show, "viewer", menu="Find an order"),
    Page("/find", _find, "viewer", "POST", menu="Find an order"),
)

"""The standing of an order by the statuses of each system: it is live, withheld or cancelled.

It is a second reading of the statuses: our adapters have their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: An order as the system stores it, with its status.
    Raw = Mapping[str, Any]

#: `withheld`: it is not created, and where it exists it is not cancelled (returned, on hold).
Standing = Literal["live", "withheld", "cancelled"]

#: Statuses of the group cancel of RetailCRM that cancel nothing.
_RETURNS: Final = frozenset({"return", "returned"})
_WITHHELD: Final = {
    "dropstream": frozenset({"canceled", "abandoned", "closed", "archived", "pending", "delayed", "error"}),
    "dropboy": frozenset({"returned", "onHold"}),
}
_CANCELLED: Final = {
    "dropday": frozenset({"declined", "skipped"}),
    "dropstream": frozenset({"routed", "bundled", "skipped"}),
    "dropboy": frozenset({"cancelled", "canceled", "deleted"}),
    "ordercloud": frozenset({"Canceled", "Declined", "Unsubmitted"}),
}


def _by_status(system: str, status: str) -> Standing:
    if status in _CANCELLED[system]:
        return "cancelled"
    return "withheld" if status in _WITHHELD.get(system, ()) else "live"


def retailcrm(order: Raw) -> Standing:
    """Read an order of RetailCRM, with the `group` of its status."""
    if order.get("status") in _RETURNS:
        return "withheld"
    return "cancelled" if order.get("group") == "cancel" else "live"


def dropday(order: Raw) -> Standing:
    """Read an order of Dropday, with the status of its lines: nothing of it is sent if all are declined."""
    return _by_status("dropday", str(order.get("current_status")))


def dropstream(order: Raw) -> Standing:
    """Read an order of DropStream, of which all items may be cancelled. Its "Canceled" only means too many failures."""
    items = order.get("order_items") or ()
    if items and all(item.get("canceled") for item in items):
        return "cancelled"
    return _by_status("dropstream", str(order.get("fulfillment_state")))


def ordercloud(order: Raw) -> Standing:
    """Read an order of OrderCloud; one that awaits approval is on hold."""
    return "withheld" if order.get("Status") == "AwaitingApproval" else _by_status("ordercloud", str(order["Status"]))


def dropboy(order: Raw) -> Standing:
    """Read a job of Dropboy, with its status."""
    return _by_status("dropboy", str(order.get("status")))


#: Reads the standing of an order, by system.
OF: Final[dict[str, Callable[[Raw], Standing]]] = {
    "retailcrm": retailcrm,
    "dropday": dropday,
    "dropstream": dropstream,
    "ordercloud": ordercloud,
    "dropboy": dropboy,
}

"""The meaning of DropStream's states.

The API names `pending_shipment` of orders and `notified_shipped` of shipments; the states of the app are described on
the page "Order statuses", of which there are three editions. How the API writes them is not documented: case, blanks
and underscores do not count. No state is final: "Reprocess" and "Reset" bring an order back ("Order actions").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from schemas.order import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDED: Final = (
    *("canceled", "cancelled", "abandoned", "closed", "archived"),
    *("closed_abandoned_pending_shipment", "closed_cancelled", "closed_canceled"),
)
STATUSES: Final[Mapping[str, Status]] = {
    # Imported; the rules of the account may not have run yet. A change that comes later than `overlap` is not read,
    # so an order that was held here would be lost.
    # "Pending shipment" is the first state that the API shows of an order: nothing of it has been shipped yet.
    **dict.fromkeys(("new", "queued", "open", "pending_shipment"), Status.NEW),
    # Of a part, some goods have left.
    **dict.fromkeys(("partially_shipped", "shipped", "notified_shipped"), Status.SHIPPED),
    # It waits for a person, or for another try.
    **dict.fromkeys(("pending", "delayed", "error"), Status.ON_HOLD),
    # "Canceled" means that failures exceeded a limit, not that the buyer cancelled; "abandoned" was not shipped within
    # 45 days. One edition says that "closed" was shipped, another that it ended without. An archived order may be done.
    # So none of these is created, and none is cancelled where it exists: a person decides.
    **dict.fromkeys(_ENDED, Status.ON_HOLD),
    # Its goods travel with other orders (split, or combined into one), or a rule rejected it.
    **dict.fromkeys(("routed", "bundled", "skipped"), Status.EXCLUDED),
}


def status_of(state: str | None, status_map: Mapping[str, Status]) -> Status:
    """Return the meaning of a state: by the account's own map, else by `STATUSES`."""
    if state is None:
        return Status.UNKNOWN
    if state in status_map:
        return status_map[state]
    return STATUSES.get(_plain(state), Status.UNKNOWN)


def has_ended(state: str) -> bool:
    """Return whether an order in this state is not expected to move on by itself."""
    return _plain(state) in _ENDED


def _plain(state: str) -> str:
    return re.sub(r"[\W_]+", "_", state.casefold()).strip("_")

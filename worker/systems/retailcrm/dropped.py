"""The fields of an order that RetailCRM is not sent, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN: Final = "kept by Intake to detect changes"
_BY_LINES: Final = "RetailCRM calculates it from the lines"
#: The fields of an order that RetailCRM is not sent, or not always, and why.
DROPPED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("provider", "external_id", "source_id", "store"), "the reference identifies the order"),
    **dict.fromkeys(("version", "updated_at", "uncounted"), _KNOWN),
    **dict.fromkeys(("removed", "combined_into"), "a removed order is cancelled by its status"),
    "totals.items": _BY_LINES,
    **dict.fromkeys(("totals.tax", "lines.tax"), "a line of its own, if it is not part of the prices"),
    **dict.fromkeys(("lines.product_id", "customer.id"), "the id in another system; an unknown one is refused"),
    "lines.image_url": "the catalogue has the pictures",
    "cancelled_lines": "nothing of it is shipped or charged",
    "status_raw": "the statuses that are sent have a code in `status_map`",
    "payments.id": "part of the id of a payment whose method has a code (`payment_map`)",
    **dict.fromkeys(("payments.paid", "payments.status"), "a payment that has a time is paid"),
    "custom": "sent where `custom_map` names a field of the account for it",
}

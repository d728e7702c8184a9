"""The fields of an order that Dropday is not sent, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_REFERENCE: Final = "the reference identifies the order"
_NOT_THE_RECEIVER: Final = "used where the address lacks it: a supplier sees only the receiver"
#: The fields of an order that Dropday is not sent, or not always, and why.
DROPPED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("provider", "external_id", "source_id"), _BY_REFERENCE),
    **dict.fromkeys(("version", "updated_at", "uncounted"), "kept by Intake to detect changes"),
    "ordered_at": "Dropday sets the time itself",
    **dict.fromkeys(("status", "status_raw", "removed", "combined_into"), "a new order of Dropday has no status"),
    "cancelled_lines": "what was cancelled is not shipped",
    "totals.items": "the lines show it",
    **dict.fromkeys(("customer.first_name", "customer.middle_name", "customer.last_name"), _NOT_THE_RECEIVER),
    **dict.fromkeys(("customer.company", "customer.email", "customer.phone", "customer.phone2"), _NOT_THE_RECEIVER),
    "customer.id": "a supplier has no use for it",
    "billing_address": _NOT_THE_RECEIVER,
    "shipping.warehouse": "Dropday's own rules choose the supplier",
    "payments": "Dropday has no field for them, and a supplier has no use for them",
    "internal_note": "not for suppliers",
    "lines.id": "sent as the id of a product that has none",
}

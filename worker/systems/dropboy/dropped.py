"""The fields that are not carried from or to Dropboy, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_REFERENCE: Final = "the reference identifies the order"
_NOT_THE_RECEIVER: Final = "used where the address lacks it: a driver meets the receiver"
_NO_USE: Final = "a transport has pieces, and a driver has no use for it"
#: The fields of a record that are not read, and why.
UNREAD: Final[Mapping[str, str]] = {"order.destination.timeWindow.timeType": "implied by the two ends of the window"}
#: The fields of an order that Dropboy is not sent, or not always, and why.
DROPPED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("provider", "external_id", "source_id"), _BY_REFERENCE),
    **dict.fromkeys(("version", "updated_at", "uncounted"), "kept by Intake to detect changes"),
    "ordered_at": "Dropboy sets the time itself",
    **dict.fromkeys(("status", "status_raw", "removed", "combined_into"), "a new job has a status of its own"),
    "test": "a test order is held",
    "cancelled_lines": "what was cancelled is not carried",
    **dict.fromkeys(
        (
            "store", "invoice_number", "tags", "discount_codes", "custom", "payments", "lines.id", "lines.product_id",
            "lines.sku", "lines.ean", "lines.unit_price", "lines.discount", "lines.tax", "lines.purchase_price",
            "lines.weight", "lines.brand", "lines.category", "lines.supplier", "lines.image_url", "lines.custom",
            "customer.id",
        ),
        _NO_USE,
    ),
    **dict.fromkeys(
        ("totals.items", "totals.shipping", "totals.discount", "totals.tax", "totals.fees"), "the price is the total"
    ),
    **dict.fromkeys(("customer.first_name", "customer.middle_name", "customer.last_name"), _NOT_THE_RECEIVER),
    **dict.fromkeys(("customer.company", "customer.email", "customer.phone", "customer.phone2"), _NOT_THE_RECEIVER),
    "billing_address": _NOT_THE_RECEIVER,
    "internal_note": "not for drivers",
}  # fmt: skip

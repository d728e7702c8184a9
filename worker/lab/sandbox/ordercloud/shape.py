"""The order, the line item and the address of OrderCloud, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.ordercloud.limits import check_lengths
from worker.lab.sandbox.ordercloud.wire import TICKS, RefusedError, invalid, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.lab.sandbox.drafts import Draft, DraftLine

ORDER: Final = (
    "ID", "FromUser", "FromCompanyID", "ToCompanyID", "FromUserID", "BillingAddressID", "BillingAddress",
    "ShippingAddressID", "Comments", "LineItemCount", "Status", "DateCreated", "DateSubmitted", "DateApproved",
    "DateDeclined", "DateCanceled", "DateCompleted", "LastUpdated", "Subtotal", "ShippingCost", "TaxCost", "Gratuity",
    "Fees", "BaseDiscount", "PromotionDiscount", "Currency", "Total", "IsSubmitted", "SubscriptionID", "xp",
)  # fmt: skip
LINE: Final = (
    "ID", "ProductID", "Quantity", "BundleItemID", "IsBundle", "DateAdded", "QuantityShipped", "UnitPrice",
    "PromotionDiscount", "BaseDiscount", "LineTotal", "LineSubtotal", "CostCenter", "DateNeeded", "ShippingAccount",
    "ShippingAddressID", "ShipFromAddressID", "Product", "Variant", "ShippingAddress", "ShipFromAddress", "SupplierID",
    "InventoryRecordID", "PriceScheduleID", "IsOnSale", "PriceOverridden", "Specs", "IncomingOrderID",
    "OutgoingOrderID", "xp",
)  # fmt: skip
_ADDRESS: Final = (
    "ID", "DateCreated", "CompanyName", "FirstName", "LastName", "Street1", "Street2", "City", "State", "Zip",
    "Country", "Phone", "AddressName", "xp",
)  # fmt: skip
_ADDRESS_REQUIRED: Final = ("Street1", "City", "Country")
#: The countries whose addresses also need a state and a zip code.
_WITH_STATE: Final = frozenset({"US", "CA"})
#: The fields that a caller may set, with their types; other fields of a body are read-only and ignored. The last three
#: of an order can be set only when it is created.
ORDER_WRITABLE: Final[dict[str, type]] = {
    "BillingAddressID": str, "ShippingAddressID": str, "Comments": str, "ShippingCost": Decimal, "TaxCost": Decimal,
    "Gratuity": Decimal, "xp": object, "FromCompanyID": str, "ToCompanyID": str, "FromUserID": str,
}  # fmt: skip
ON_CREATE_ONLY: Final = frozenset({"FromCompanyID", "ToCompanyID", "FromUserID"})
LINE_WRITABLE: Final[dict[str, type]] = {
    "ProductID": str, "Quantity": int, "UnitPrice": Decimal, "CostCenter": str, "DateNeeded": str,
    "ShippingAccount": str, "ShippingAddressID": str, "ShipFromAddressID": str, "InventoryRecordID": str,
    "Specs": list, "xp": object,
}  # fmt: skip
STATUSES: Final = {
    "new": "Open", "paid": "Open", "processing": "Open", "shipped": "Completed", "delivered": "Completed",
    "cancelled": "Canceled",
}  # fmt: skip
_ZERO: Final = Decimal(0)


def writable_fields(body: Mapping[str, Any], writable: Mapping[str, type]) -> dict[str, Any]:
    """Return the writable fields of a body. Raise RefusedError for a value of the wrong type."""
    fields = {name: body[name] for name in writable if name in body}
    for name, value in fields.items():
        kind = (int, Decimal) if writable[name] is Decimal else writable[name]
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and writable[name] is not object)
        if value is not None and wrong:
            raise RefusedError(400, "Request.InvalidRequestBody", f"{name} has a value of the wrong type.")
    check_lengths(fields)
    return fields


def address(fields: Any) -> dict[str, Any]:
    """Return a complete address. Raise RefusedError for an incomplete one, and for one that is too long."""
    if not isinstance(fields, dict):
        raise RefusedError(400, "Request.InvalidRequestBody", "An address is required.")
    required = (*_ADDRESS_REQUIRED, *(("State", "Zip") if fields.get("Country") in _WITH_STATE else ()))
    if absent := [name for name in required if not fields.get(name)]:
        raise invalid(f"{', '.join(absent)} is required.")
    check_lengths(fields)
    return _complete(fields)


def _complete(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields.get(name) for name in _ADDRESS}


def user(key: str, company: str, **fields: Any) -> dict[str, Any]:
    """Return the user who placed an order, as the order shows it."""
    return {
        "ID": key, "CompanyID": company, "Username": key, "Password": None, "FirstName": None, "LastName": None,
        "Email": None, "Phone": None, "TermsAccepted": None, "Active": True, "xp": None, "AvailableRoles": None,
        "Locale": None, "DateCreated": None, "PasswordLastSetDate": None, **fields,
    }  # fmt: skip


def order(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order of these fields over those of an empty one."""
    numbers = dict.fromkeys(("LineItemCount", "Subtotal", "Gratuity", "Fees", "BaseDiscount", "PromotionDiscount"), 0)
    start = {"Status": "Unsubmitted", "IsSubmitted": False, "Total": 0, **numbers}
    return {name: fields.get(name, start.get(name)) for name in ORDER}


def line(fields: Mapping[str, Any], *, keep_subtotal: bool = False) -> dict[str, Any]:
    """Return a line item of these fields over those of an empty one, with its totals.

    The subtotal is calculated from a price that `UnitPrice` shows rounded: with `keep_subtotal`, it may be given.
    """
    start = {
        "Quantity": 1, "IsBundle": False, "QuantityShipped": 0, "PromotionDiscount": 0, "BaseDiscount": 0,
        "IsOnSale": False, "PriceOverridden": False, "Specs": [],
    }  # fmt: skip
    item = {name: fields.get(name, start.get(name)) for name in LINE}
    if not keep_subtotal or item["LineSubtotal"] is None:
        item["LineSubtotal"] = (item["UnitPrice"] or _ZERO) * item["Quantity"]
    item["LineTotal"] = item["LineSubtotal"] - item["PromotionDiscount"] - item["BaseDiscount"]
    item["Product"] = item["Product"] or product(item["ProductID"], str(item["ProductID"]))
    return item


def product(key: str, name: str, xp: Any = None) -> dict[str, Any]:
    """Return a product as a line shows it."""
    return {
        "ID": key, "Name": name, "Description": None, "Returnable": True, "QuantityMultiplier": 1, "ShipWeight": None,
        "ShipHeight": None, "ShipWidth": None, "ShipLength": None, "DefaultSupplierID": None, "ParentID": None,
        "xp": xp,
    }  # fmt: skip


def update_sums(doc: dict[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
    """Compute the sums of an order as the documents define them at `Total`."""
    lines = list(lines)
    doc["LineItemCount"] = len(lines)
    doc["Subtotal"] = sum((item["LineSubtotal"] for item in lines), _ZERO)
    doc["BaseDiscount"] = sum((item["BaseDiscount"] for item in lines), _ZERO)
    added = sum(((doc[name] or 0) for name in ("TaxCost", "ShippingCost", "Gratuity", "Fees")), _ZERO)
    doc["Total"] = doc["Subtotal"] - doc["BaseDiscount"] - doc["PromotionDiscount"] + added


def from_draft(draft: Draft) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an order that a buyer submitted in a storefront, and its lines."""
    country, created = draft.country, written(draft.created * TICKS)
    status = STATUSES[draft.status]
    home = {
        "CompanyName": draft.company, "FirstName": draft.first_name, "LastName": draft.last_name,
        "Street1": f"{draft.street} {draft.building}", "Street2": draft.flat, "City": draft.city,
        "State": draft.region, "Zip": draft.postcode, "Country": country.iso, "Phone": draft.phone,
    }  # fmt: skip
    names = {"FirstName": draft.first_name, "LastName": draft.last_name, "Email": draft.email, "Phone": draft.phone}
    lines = [_line(draft, line, n, home) for n, line in enumerate(draft.lines, 1) if not line.cancelled]
    goods = sum((item["LineSubtotal"] for item in lines), _ZERO)
    discount = sum((item["PromotionDiscount"] for item in lines), _ZERO) + _money(draft, draft.discount)
    doc = {
        "ID": draft.external_id,
        "FromUser": user(f"user-{draft.number}", "storefront", **names),
        "FromCompanyID": "storefront",
        "ToCompanyID": "sandbox-seller",
        "FromUserID": f"user-{draft.number}",
        "BillingAddress": _complete(home),
        "Comments": draft.comment,
        "Status": status,
        "DateCreated": created,
        "DateSubmitted": created,
        "DateCanceled": created if status == "Canceled" else None,
        "DateCompleted": created if status == "Completed" else None,
        "ShippingCost": _money(draft, draft.shipping),
        "TaxCost": _ZERO,
        # Quantities are rounded to whole pieces, so the discount of the draft may exceed the price of the goods.
        "PromotionDiscount": min(discount, goods),
        "Currency": country.currency,
        "IsSubmitted": True,
        "xp": {"Number": draft.number, "Note": draft.note, **draft.custom},
    }
    return doc, lines


def _line(draft: Draft, draft_line: DraftLine, n: int, home: dict[str, Any]) -> dict[str, Any]:
    quantity = max(1, round(draft_line.quantity))
    specs = [
        {"SpecID": key, "Name": key, "OptionID": value, "Value": value} for key, value in draft_line.options.items()
    ]
    no_markup = {"PriceMarkupType": None, "PriceMarkup": None}
    return line({
        "ID": f"{draft.number}-{n}",
        "ProductID": draft_line.sku,
        "Quantity": quantity,
        "DateAdded": written(draft.created * TICKS),
        "UnitPrice": _money(draft, draft_line.price),
        "PromotionDiscount": _money(draft, draft_line.discount * quantity),
        "Product": product(draft_line.sku, draft_line.name, {"EAN": draft_line.ean, "Brand": draft_line.brand}),
        "ShippingAddress": _complete(home),
        "Specs": [spec | no_markup for spec in specs],
        "xp": {"Comment": draft_line.comment} if draft_line.comment else None,
    })  # fmt: skip


def _money(draft: Draft, minor: int) -> Decimal:
    return Decimal(minor).scaleb(-draft.country.decimals)

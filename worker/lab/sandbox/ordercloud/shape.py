"""The order, the line item and the address of OrderCloud, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.ordercloud.wire import TICKS, RefusedError, invalid, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.lab.sandbox.orders import Draft, DraftLine

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
_ADDRESS_NEEDS: Final = ("Street1", "City", "Country")
#: What a caller may set, and of what type; all else in a body is read-only and passed over. The last three of an order
#: only when it is created.
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


def wanted(body: Mapping[str, Any], writable: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a body that may be written. Refuses a value of the wrong type."""
    fields = {name: body[name] for name in writable if name in body}
    for name, value in fields.items():
        kind = (int, Decimal) if writable[name] is Decimal else writable[name]
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and writable[name] is not object)
        if value is not None and wrong:
            raise RefusedError(400, "Request.InvalidRequestBody", f"{name} has a value of the wrong type.")
    return fields


def merged(old: Any, new: Any) -> Any:
    """What PATCH makes of `xp`: objects are merged, all else is replaced."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def address(given: Any) -> dict[str, Any]:
    """A whole address. Refuses one without street, city or country."""
    if not isinstance(given, dict):
        raise RefusedError(400, "Request.InvalidRequestBody", "An address is wanted.")
    if lacking := [name for name in _ADDRESS_NEEDS if not given.get(name)]:
        raise invalid(f"{', '.join(lacking)} is required.")
    return {name: given.get(name) for name in _ADDRESS}


def user(key: str, company: str, **fields: Any) -> dict[str, Any]:
    """Who placed an order, as it stands in the order."""
    return {
        "ID": key, "CompanyID": company, "Username": key, "Password": None, "FirstName": None, "LastName": None,
        "Email": None, "Phone": None, "TermsAccepted": None, "Active": True, "xp": None, "AvailableRoles": None,
        "Locale": None, "DateCreated": None, "PasswordLastSetDate": None, **fields,
    }  # fmt: skip


def order(fields: Mapping[str, Any]) -> dict[str, Any]:
    """An order of these fields over those of an empty one."""
    numbers = dict.fromkeys(("LineItemCount", "Subtotal", "Gratuity", "Fees", "BaseDiscount", "PromotionDiscount"), 0)
    start = {"Status": "Unsubmitted", "IsSubmitted": False, "Total": 0, **numbers}
    return {name: fields.get(name, start.get(name)) for name in ORDER}


def line(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A line item of these fields over those of an empty one, its totals reckoned."""
    start = {
        "Quantity": 1, "IsBundle": False, "QuantityShipped": 0, "PromotionDiscount": 0, "BaseDiscount": 0,
        "IsOnSale": False, "PriceOverridden": False, "Specs": [],
    }  # fmt: skip
    made = {name: fields.get(name, start.get(name)) for name in LINE}
    made["LineSubtotal"] = (made["UnitPrice"] or _ZERO) * made["Quantity"]
    made["LineTotal"] = made["LineSubtotal"] - made["PromotionDiscount"] - made["BaseDiscount"]
    made["Product"] = made["Product"] or product(made["ProductID"], str(made["ProductID"]))
    return made


def product(key: str, name: str, xp: Any = None) -> dict[str, Any]:
    """The product as it stands in a line."""
    return {
        "ID": key, "Name": name, "Description": None, "Returnable": True, "QuantityMultiplier": 1, "ShipWeight": None,
        "ShipHeight": None, "ShipWidth": None, "ShipLength": None, "DefaultSupplierID": None, "ParentID": None,
        "xp": xp,
    }  # fmt: skip


def reckon(doc: dict[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
    """Work out the sums of an order: what stands at `Total` in its documents."""
    lines = list(lines)
    doc["LineItemCount"] = len(lines)
    doc["Subtotal"] = sum((each["LineSubtotal"] for each in lines), _ZERO)
    doc["BaseDiscount"] = sum((each["BaseDiscount"] for each in lines), _ZERO)
    added = sum(((doc[name] or 0) for name in ("TaxCost", "ShippingCost", "Gratuity", "Fees")), _ZERO)
    doc["Total"] = doc["Subtotal"] - doc["BaseDiscount"] - doc["PromotionDiscount"] + added


def from_draft(draft: Draft) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An order that a buyer submitted in a storefront, and its lines."""
    country, created = draft.country, written(draft.created * TICKS)
    status = STATUSES[draft.status]
    home = {
        "CompanyName": draft.company, "FirstName": draft.first_name, "LastName": draft.last_name,
        "Street1": f"{draft.street} {draft.building}", "Street2": draft.flat, "City": draft.city,
        "State": draft.region, "Zip": draft.postcode, "Country": country.iso, "Phone": draft.phone,
    }  # fmt: skip
    names = {"FirstName": draft.first_name, "LastName": draft.last_name, "Email": draft.email, "Phone": draft.phone}
    lines = [_line(draft, each, n, home) for n, each in enumerate(draft.lines, 1) if not each.cancelled]
    goods = sum((each["LineSubtotal"] for each in lines), _ZERO)
    less = sum((each["PromotionDiscount"] for each in lines), _ZERO) + _money(draft, draft.discount)
    doc = {
        "ID": draft.external_id,
        "FromUser": user(f"user-{draft.number}", "storefront", **names),
        "FromCompanyID": "storefront",
        "ToCompanyID": "sandbox-seller",
        "FromUserID": f"user-{draft.number}",
        "BillingAddress": address(home),
        "Comments": draft.comment,
        "Status": status,
        "DateCreated": created,
        "DateSubmitted": created,
        "DateCanceled": created if status == "Canceled" else None,
        "DateCompleted": created if status == "Completed" else None,
        "ShippingCost": _money(draft, draft.shipping),
        "TaxCost": _ZERO,
        # A discount was given in pieces, and a piece of an order here is whole.
        "PromotionDiscount": min(less, goods),
        "Currency": country.currency,
        "IsSubmitted": True,
        "xp": {"Number": draft.number, "Note": draft.note, **draft.custom},
    }
    return doc, lines


def _line(draft: Draft, each: DraftLine, n: int, home: dict[str, Any]) -> dict[str, Any]:
    quantity = max(1, round(each.quantity))
    specs = [{"SpecID": key, "Name": key, "OptionID": value, "Value": value} for key, value in each.options.items()]
    rest = {"PriceMarkupType": None, "PriceMarkup": None}
    return line({
        "ID": f"{draft.number}-{n}",
        "ProductID": each.sku,
        "Quantity": quantity,
        "DateAdded": written(draft.created * TICKS),
        "UnitPrice": _money(draft, each.price),
        "PromotionDiscount": _money(draft, each.discount * quantity),
        "Product": product(each.sku, each.name, {"EAN": each.ean, "Brand": each.brand}),
        "ShippingAddress": address(home),
        "Specs": [spec | rest for spec in specs],
        "xp": {"Comment": each.comment} if each.comment else None,
    })  # fmt: skip


def _money(draft: Draft, minor: int) -> Decimal:
    return Decimal(minor).scaleb(-draft.country.places)

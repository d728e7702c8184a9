"""The limits of OrderCloud's fields, as its API reference and its SDK state them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.ordercloud.wire import dump, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

#: "IDs may only contain alphanumeric characters, dashes and underscores", at most 100.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_IDS: Final = frozenset({
    "ID", "FromCompanyID", "ToCompanyID", "FromUserID", "BillingAddressID", "ShippingAddressID", "ProductID",
    "ShipFromAddressID", "InventoryRecordID",
})  # fmt: skip
_LENGTHS: Final = {
    "Comments": 2000,
    "Country": 2,
    **dict.fromkeys((
        "CompanyName", "FirstName", "LastName", "Street1", "Street2", "City", "State", "Zip", "Phone", "AddressName",
    ), 100),
}  # fmt: skip
_MOST_IN_XP: Final = 8000


def check_lengths(fields: Mapping[str, Any]) -> None:
    """Refuse a field that is too long, an ID of other characters, or a negative gratuity. Raise RefusedError.

    The text of the refusal is not documented.
    """
    for name, value in fields.items():
        if name in _IDS and isinstance(value, str) and value and not _ID.fullmatch(value):
            raise invalid(f"{name} may have up to 100 letters, digits, dashes and underscores.", name)
        if isinstance(value, str) and len(value) > _LENGTHS.get(name, len(value)):
            raise invalid(f"{name} must be at most {_LENGTHS[name]} characters.", name)
    if fields.get("xp") is not None and len(dump(fields["xp"])) > _MOST_IN_XP:
        raise invalid(f"xp must be at most {_MOST_IN_XP} bytes.", "xp")
    if (fields.get("Gratuity") or 0) < 0:
        raise invalid("Gratuity must be at least 0.", "Gratuity")

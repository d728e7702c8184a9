"""The checks of a posted order, with the messages of Dropday's documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

#: The documents report a missing `first_name` under this other name.
_FIRST_NAME: Final = "shipping_address.firstname"
_ADDRESS: Final = ("first_name", "last_name", "address1", "postcode", "city", "country")


def check(order: dict[str, Any]) -> dict[str, list[str]]:
    """Return the errors of a posted order by field, in the form of a 422 response; empty if it is accepted."""
    errors: dict[str, list[str]] = {}
    for field in ("external_id", "source"):
        _text(errors, field, order.get(field), field.replace("_", " "))
    _number(errors, "total", order.get("total"))
    shipping = order.get("shipping")
    new_cost = shipping.get("cost") if isinstance(shipping, dict) else None
    old_cost = order.get("shipping_cost")
    _number(errors, "shipping_cost", new_cost if old_cost is None else old_cost, "shipping cost")
    if isinstance(shipping, dict) and not _is_day(shipping.get("delivery_date")):
        errors["shipping.delivery_date"] = ["The shipping.delivery_date does not match the format d-m-Y."]
    address = order.get("shipping_address")
    if isinstance(address, dict):
        for field in _ADDRESS:
            key = _FIRST_NAME if field == "first_name" else f"shipping_address.{field}"
            _text(errors, key, address.get(field), key.replace("_", " ", 1))
    else:
        errors["shipping_address"] = ["The shipping address field is required."]
    products = order.get("products")
    if isinstance(products, list) and products:
        for n, posted in enumerate(products):
            product = posted if isinstance(posted, dict) else {}
            for field, require in (("external_id", _text), ("name", _text), ("quantity", _number), ("price", _number)):
                require(errors, f"products.{n}.{field}", product.get(field))
    else:
        errors["products"] = ["The products field is required."]
    return errors


def _text(errors: dict[str, list[str]], key: str, value: object, label: str = "") -> None:
    """Check a text. Blanks count as missing; a number is accepted, as a published plugin sends one."""
    if value is None or (isinstance(value, str) and not value.strip()):
        errors[key] = [f"The {label or key} field is required."]
    elif isinstance(value, (list, dict, bool)):
        errors[key] = [f"The {label or key} must be a string."]


def _number(errors: dict[str, list[str]], key: str, value: object, label: str = "") -> None:
    if value is None or value == "":
        errors[key] = [f"The {label or key} field is required."]
        return
    try:
        is_number = isinstance(value, (int, float, str)) and not isinstance(value, bool) and float(value) is not None
    except ValueError:
        is_number = False
    if not is_number:
        errors[key] = [f"The {label or key} must be a number."]


def _is_day(value: object) -> bool:
    try:
        return value is None or bool(datetime.strptime(str(value), "%d-%m-%Y").replace(tzinfo=UTC))
    except ValueError:
        return False

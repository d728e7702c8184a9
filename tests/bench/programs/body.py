"""Convert a normalized order to the target's format, as a script of a shop would do it."""

from __future__ import annotations

from typing import Any

#: The headers of each call.
HEADERS = {"api-key": "key", "account-id": "account", "Accept": "application/json"}


def body_of(order: dict[str, Any]) -> dict[str, Any]:
    """Return the request body of a normalized order."""
    address = order.get("shipping_address", {})
    return {
        "external_id": order["external_id"],
        "source": order["provider"],
        "total": float(order["totals"]["grand"]),
        "shipping_cost": float(order["totals"].get("shipping") or 0),
        "email": order.get("customer", {}).get("email"),
        "shipping_address": {
            "first_name": address.get("first_name"),
            "last_name": address.get("last_name"),
            "address1": address.get("street1"),
            "postcode": address.get("postal_code"),
            "city": address.get("city"),
            "country": address.get("country"),
            "phone": address.get("phone"),
        },
        "products": [
            {
                "external_id": line.get("id"),
                "name": line["name"],
                "reference": line.get("sku"),
                "quantity": float(line["quantity"]),
                "price": float(line["unit_price"]),
            }
            for line in order["lines"]
        ],
    }

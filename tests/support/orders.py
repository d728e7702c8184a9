"""Orders for tests that do not depend on their content."""

from __future__ import annotations

from typing import Any

from schemas.order import Order


def order(external_id: str = "1", **fields: Any) -> Order:
    """Return a small order of the provider `shop`; `fields` override the defaults."""
    base: dict[str, Any] = {
        "provider": "shop",
        "external_id": external_id,
        "status": "new",
        # After the ledger of any test began: only the ledger before it can have created an older order.
        "ordered_at": "2126-01-02T03:04:05Z",
        "lines": [{"name": "Mug", "quantity": 2, "unit_price": "9.90"}],
        "totals": {"grand": "19.80"},
    }
    return Order.model_validate(base | fields)

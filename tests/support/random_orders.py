"""Random orders, in which every field may be filled."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from schemas.leaves import LINE_LEAVES, ORDER_LEAVES
from support.orders import order

if TYPE_CHECKING:
    from schemas.order import Order

#: The values of a leaf, few of them, so that two orders often have the same.
VALUES: dict[str, list[Any]] = {
    "status": ["new", "paid", "cancelled"],
    "removed": ["deleted", "combined"],
    "test": [True],
    "ordered_at": ["2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"],
    "currency": ["EUR", "USD"],
    "tags": [["a"], ["b", "a"], ["a", "b"]],
    "discount_codes": [["a"], ["b"]],
    "payments": [[{"method": "card", "amount": "1"}], [{"method": "card", "amount": "1", "paid": False}]],
    "cancelled_lines": [[{"name": "Cup", "quantity": 1, "unit_price": 5}]],
    "promised_on": ["2026-01-02", "2026-01-03"],
    "ship_on": ["2026-01-02", "2026-01-03"],
    "cancel_after": ["2026-01-02", "2026-01-03"],
    "promised_from": ["10:00", "11:00"],
    "promised_until": ["10:00", "11:00"],
    "signature_required": [True, False],
    "gift_wrap": [True, False],
    "options": [{"size": "a"}, {"size": "b"}, [{"name": "size", "value": "a"}, {"name": "size", "value": "b"}]],
    "custom": [{"a": 1}, {"a": "1"}, {"b": {"c": [1, 2]}}, {"b": {"c": [2, 1]}}],
}
#: Amounts and quantities, of an order and of a line.
AMOUNTS = {"items", "shipping", "discount", "tax", "fees", "grand", "insured_amount", "quantity", "unit_price"}
AMOUNTS |= {"purchase_price", "weight"}


def value(rng: Random, name: str) -> Any:
    return rng.choice(VALUES.get(name, ["0", "1", "1.5"] if name in AMOUNTS else ["a", "b", "\U0001f600"]))


def _line(rng: Random) -> dict[str, Any]:
    required = {"name", "quantity", "unit_price"}
    return {name: value(rng, name) for name in LINE_LEAVES if name in required or rng.random() < 0.3}


def _random_order(seed: int) -> Order:
    """Return a random order. Hypothesis draws only the seed: drawing every leaf takes ten times as long."""
    rng = Random(seed)
    content: dict[str, Any] = {"lines": [_line(rng) for _ in range(rng.choice([0, 1, 2, 3]))]}
    share = rng.random()
    for path in ORDER_LEAVES:
        if rng.random() < share:
            *parts, name = path.split(".")
            place = content
            for part in parts:
                place = place.setdefault(part, {})
            place[name] = value(rng, name)
    custom = {name: value(rng, "custom") for name in "abc" if rng.random() < share}
    return order(**content, custom=custom, uncounted=rng.choice([[], ["c"]]))


#: Any order.
orders = st.integers(min_value=0, max_value=2**32).map(_random_order)

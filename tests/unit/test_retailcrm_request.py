"""The request to RetailCRM: no cent is lost because its discounts are per piece."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from schemas.order import Order
from schemas.retailcrm_request import Codes, OrderRequest


def request_for(*, zone: str = "UTC", ordered_at: str = "2024-04-02T08:14:02Z", **line: str) -> OrderRequest:
    order = Order.model_validate(
        {
            "provider": "shop",
            "external_id": "1",
            "status": "new",
            "ordered_at": ordered_at,
            "lines": [{"name": "Mug", "quantity": "3", "unit_price": "20", **line}],
            "totals": {},
        }
    )
    return OrderRequest.of(order, "R-1", zone=ZoneInfo(zone), currency=None, codes=Codes())


@pytest.mark.parametrize(
    ("quantity", "discount", "piece", "whole"),
    [
        ("2", "20.9", "10.45", None),
        ("3", "10", None, "10"),
        ("4", "0.02", None, "0.02"),
        ("1.5", "3", "2", None),
        ("7", "12345678901234567890", None, "12345678901234567890"),
        ("1", "12345678901234567890", "12345678901234567890", None),
        ("3", "0", None, None),
    ],
)
def test_a_discount_is_sent_per_piece_if_that_is_exact_and_otherwise_for_the_order(
    quantity: str, discount: str, piece: str | None, whole: str | None
) -> None:
    request = request_for(quantity=quantity, discount=discount)
    exact = tuple(amount and Decimal(amount) for amount in (piece, whole))
    assert (request.items[0].discount_manual_amount, request.discount_manual_amount) == exact


def test_a_moment_is_written_in_the_accounts_zone_without_an_offset() -> None:
    assert request_for(zone="Asia/Tokyo").body()["createdAt"] == "2024-04-02 17:14:02"
    assert (
        request_for(zone="Europe/Moscow", ordered_at="2024-04-02T23:00:00.9Z").body()["createdAt"]
        == "2024-04-03 02:00:00"
    )

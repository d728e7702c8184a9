"""Which orders go which way, and under which reference."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from settings_files import GOOD, SECOND, problems, read

from schemas.order import Line, Order, Status, Totals
from worker.errors import Rejected

if TYPE_CHECKING:
    from pathlib import Path


def order(**given: Any) -> Order:
    values = {
        "provider": "shop-nl",
        "external_id": "7",
        "status": Status.NEW,
        "ordered_at": datetime(2026, 1, 1, tzinfo=UTC),
        "lines": (Line(name="x", quantity=Decimal(1), unit_price=Decimal(1)),),
        "totals": Totals(),
    }
    return Order(**values | given)


def two_providers(first: str, second: str) -> str:
    text = GOOD.replace('to = ["store"]', f'to = ["store"]\nreference = "{first}"')
    return text + SECOND.replace('to = ["store"]', f'to = ["store"]\nreference = "{second}"')


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{external_id}", "{external_id}"),
        ("{external_id}", "x-{external_id}"),
        ("{provider}-{external_id}", "{provider}-{external_id}"),  # order nl-5 of shop is order 5 of shop-nl
        ("{external_id}-{store}", "{store}-{external_id}"),
    ],
)
def test_two_providers_whose_references_could_meet_in_one_target_are_refused(
    tmp_path: Path, first: str, second: str
) -> None:
    assert problems(tmp_path, two_providers(first, second)) == [
        (
            "routes[1].reference: an order of shop-nl and one of shop could get one reference in store,"
            ' and one of them would be lost. Write reference = "{provider}:{external_id}" in both routes.'
        )
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{provider}:{external_id}", "{provider}:{external_id}"),
        ("A{external_id}", "B{external_id}"),
        ("{external_id}/a", "{external_id}/b"),
        ("{external_id}/{provider}", "{external_id}/{provider}"),
    ],
)
def test_two_providers_whose_references_can_never_meet_are_accepted(tmp_path: Path, first: str, second: str) -> None:
    assert len(read(tmp_path, two_providers(first, second)).routes) == 2


def test_two_routes_that_would_name_one_order_twice_are_refused(tmp_path: Path) -> None:
    text = GOOD + '[[routes]]\nfrom = "shop-nl"\nto = "store"\nreference = "b{external_id}"'
    assert problems(tmp_path, text) == [
        (
            "routes[1].reference: an order of shop-nl could get two references in store, and be created twice."
            " Give all routes between the two the same reference."
        )
    ]


def test_a_route_wants_what_passes_each_key_of_its_filter(tmp_path: Path) -> None:
    text = GOOD + 'only = { status = ["new", "paid"], store = "nl", test = false, tag = ["b2b"] }'
    route = read(tmp_path, text).routes[0]
    fits = {"status": Status.PAID, "store": "nl", "tags": ("vip", "b2b")}
    assert route.wants(order(**fits))
    for other in ({"status": Status.SHIPPED}, {"store": None}, {"test": True}, {"tags": ()}, {"provider": "else"}):
        assert not route.wants(order(**fits | other))


def test_a_reference_is_made_of_the_order_and_refused_where_a_field_is_missing(tmp_path: Path) -> None:
    text = GOOD + 'reference = "{provider}:{store}/{source_id}!"'
    route = read(tmp_path, text).routes[0]
    assert route.reference_of(order(store="nl", source_id="{x}")) == "shop-nl:nl/{x}!"
    with pytest.raises(Rejected, match="the order has no source_id, which its reference is made of"):
        route.reference_of(order(store="nl"))

"""The final comparison of the demo finds exactly the lost, duplicated, different and unknown orders."""

from __future__ import annotations

from typing import Any

from worker.lab.history.compare import Comparison
from worker.lab.history.compare import compare as compare_seen
from worker.lab.history.essence import in_source, in_target


def source(number: int, **fields: Any) -> dict[str, Any]:
    items = [{"quantity": 2.0}, {"quantity": 1.5, "isCanceled": True}]
    delivery = {"cost": 4.95, "address": {"city": "Łódź", "index": "90-001"}}
    return {"id": number, "totalSumm": 24.75, "items": items, "delivery": delivery} | fields


def target(number: int, **fields: Any) -> dict[str, Any]:
    address = {"city": "Łódź", "postcode": "90-001"}
    lines = [{"quantity": 2}]
    known = {"external_id": f"shop:{number}", "total": 24.75, "shipping": {"cost": 4.950}, "products": lines}
    return known | {"shipping_address": address} | fields


def compare(sources: list[dict[str, Any]], targets: list[dict[str, Any]]) -> Comparison:
    return compare_seen(in_source("retailcrm", "shop", sources), in_target("dropday", targets))


def test_equal_sides_are_clean() -> None:
    comparison = compare([source(1), source(2)], [target(2), target(1)])
    assert comparison.clean
    assert str(comparison) == "2 orders, 2 created, 0 lost, 0 duplicated"


def test_a_lost_order_is_named() -> None:
    comparison = compare([source(1), source(2)], [target(1)])
    assert (comparison.lost, comparison.clean) == (("shop:2",), False)
    assert str(comparison) == "2 orders, 1 created, 1 lost, 0 duplicated"


def test_a_duplicated_order_is_named() -> None:
    comparison = compare([source(1)], [target(1), target(1)])
    assert (comparison.duplicated, comparison.clean) == (("shop:1",), False)


def test_an_order_without_a_source_is_named() -> None:
    comparison = compare([source(1)], [target(1), target(9)])
    assert (comparison.extra, comparison.clean) == (("shop:9",), False)


def test_every_compared_field_that_differs_is_named() -> None:
    changes: dict[str, dict[str, Any]] = {
        "total": {"total": 24.74},
        "shipping": {"shipping": {"cost": 5}},
        "lines": {"products": [{"quantity": 1}, {"quantity": 1}]},
        "pieces": {"products": [{"quantity": 3}]},
        "city": {"shipping_address": {"city": "Reno", "postcode": "90-001"}},
        "postcode": {"shipping_address": {"city": "Łódź", "postcode": "1"}},
    }
    for name, change in changes.items():
        comparison = compare([source(1)], [target(1, **change)])
        assert comparison.different == (("shop:1", name),)
        assert not comparison.clean

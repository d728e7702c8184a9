"""An order that was combined and is kept, cancelled: its heir, where the history lets it be known."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from schemas.retailcrm import Change
from support.orders import order
from worker.systems.provider import Record
from worker.systems.retailcrm.combined import COMBINED, as_combined, with_heirs

if TYPE_CHECKING:
    from schemas.order import Order

MUG, TEA = {"id": 1, "quantity": 2, "productName": "Mug"}, {"id": 2, "quantity": Decimal("0.5"), "offer": {"id": 7}}


def change(number: int, field: str, source: str = "combine", **more: Any) -> Change:
    return Change.model_validate(
        {"id": 1, "createdAt": "2026-03-01 08:00:00", "source": source, "field": field, "order": {"id": number}, **more}
    )


def record(number: Any, *items: Any) -> Record:
    return Record({"id": number, "items": list(items)}, 5)


LEFT, GROWN = change(1, "status"), change(2, "order_product")
FIRST, HEIR = record(1, MUG, TEA), record(2, TEA, MUG, {**MUG, "id": 9})


@pytest.mark.parametrize(
    ("records", "changes", "heir"),
    [
        ([FIRST, HEIR], [LEFT, GROWN], "2"),
        ([HEIR, FIRST], [GROWN, change(2, "order_product", item={"id": 9}), LEFT], "2"),
        ([FIRST, HEIR, record(3, TEA)], [LEFT, GROWN, change(3, "order_product")], "2"),
        ([FIRST, HEIR, record(3, MUG, TEA)], [LEFT, GROWN, change(3, "order_product")], None),
        ([FIRST, HEIR, record(3, MUG, TEA)], [LEFT, GROWN, change(3, "order_product", "user")], "2"),
        ([FIRST, record(2, TEA)], [LEFT, GROWN], None),
        ([FIRST, record(2, TEA, {**MUG, "quantity": 1})], [LEFT, GROWN], None),
        ([FIRST], [LEFT, GROWN], None),
        ([FIRST, HEIR], [LEFT], None),
        ([record(1), HEIR], [LEFT, GROWN], None),
        ([FIRST, record(2, "?")], [LEFT, GROWN], None),
    ],
)
def test_the_heir_is_the_one_order_that_grew_and_has_all_the_goods(
    records: list[Record], changes: list[Change], heir: str | None
) -> None:
    marked = {each.raw["id"]: each for each in with_heirs(records, changes)}
    assert (marked[1].raw[COMBINED], marked[1].version) == (heir, 5)
    assert [number for number, each in marked.items() if COMBINED in each.raw] == [1]


def test_a_change_by_a_person_is_no_combination() -> None:
    assert with_heirs([FIRST, HEIR], [change(1, "status", "user"), GROWN]) == [FIRST, HEIR]


@pytest.mark.parametrize(
    ("status", "heir", "ends"),
    [
        ("cancelled", "2", ("combined", "2")),
        ("excluded", "2", ("combined", "2")),
        ("cancelled", None, ("combined", None)),
        ("cancelled", {"no": "id"}, ("combined", None)),
        ("new", "2", (None, None)),
        ("unknown", "2", (None, None)),
    ],
)
def test_a_combined_order_is_one_that_is_cancelled(status: str, heir: Any, ends: tuple[str | None, ...]) -> None:
    made: Order = as_combined(order("1", status=status), heir)
    assert (made.removed, made.combined_into, made.lines) == (*ends, order("1").lines)

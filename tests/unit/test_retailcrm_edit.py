"""The edit of an order in RetailCRM: what changed at the source is in it, and nothing that people did is undone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from schemas.changes import Changes, fingerprints
from schemas.order import Order
from schemas.retailcrm_edit import edit_of
from schemas.retailcrm_held import EditedOrder
from schemas.retailcrm_marks import extra_mark, mark_of
from schemas.retailcrm_request import Codes, OrderRequest

CODES: Final = Codes.model_validate(
    {"status": {"paid": "prepayed"}, "custom": {"custom.nps": "nps", "gift_message": "gift"}}
)
LINES: Final = [
    {"id": "1", "name": "Mug", "quantity": "2", "unit_price": "9.9", "sku": "M"},
    {"id": "2", "name": "Mug", "quantity": "1", "unit_price": "12"},
    {"id": "3", "name": "Tea", "quantity": "1", "unit_price": "5"},
]
BASE: Final[dict[str, Any]] = {
    "provider": "shop",
    "external_id": "1",
    "status": "new",
    "ordered_at": "2024-04-02T08:14:02Z",
    "lines": LINES,
    "totals": {"shipping": "4.95", "fees": "1"},
    "note": "hello",
    "internal_note": "VIP",
    "shipping": {"carrier": "UPS", "promised_from": "10:00"},
    "shipping_address": {"first_name": "Ada", "street1": "Oude Delft 12", "city": "Delft", "country": "NL"},
    "custom": {"nps": 9, "other": 1},
}


def order(**fields: Any) -> Order:
    return Order.model_validate({**BASE, **fields})


def there(**fields: Any) -> EditedOrder:
    """Return the order as people left it: with a line, a note, a courier and a track number of theirs."""
    items = [
        {"id": 50, "productName": "Free sample", "quantity": 1, "initialPrice": 0},
        *(
            {
                "id": 10 + n,
                "quantity": line["quantity"],
                "initialPrice": line["unit_price"],
                "externalIds": [_code(key)],
            }
            for n, (key, line) in enumerate(zip("123", LINES, strict=True), 1)
        ),
        {
            "id": 20,
            "quantity": 1,
            "initialPrice": 1,
            "externalIds": [{"code": "intake", "value": extra_mark(order(), "Fees")}],
        },
    ]
    base = {
        "id": 98,
        "externalId": "R-1",
        "items": items,
        "customerComment": "hello",
        "managerComment": "VIP\ncalled back\nCarrier: UPS",
        "delivery": {
            "code": "courier",
            "cost": 4.95,
            "data": {"trackNumber": "T1"},
            "address": {"flat": "5", "city": "Delft"},
        },
        "customFields": {"nps": 9, "theirs": "x"},
    }
    return EditedOrder.model_validate(_exact({**base, **fields}))


def _exact(value: Any) -> Any:
    """Return the document with Decimals, as the client reads it."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    return [_exact(item) for item in value] if isinstance(value, list) else value


def _code(key: str) -> dict[str, str]:
    return {"code": "intake", "value": mark_of(order(), key)}


def edit(changed: Order, before: Order | None = None, held: EditedOrder | None = None) -> dict[str, Any]:
    request = OrderRequest.of(changed, "R-1", zone=ZoneInfo("UTC"), currency=None, codes=CODES)
    changes = Changes.between(fingerprints(before or order()), changed)
    return edit_of(request, changed, changes, held or there(), CODES)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, {}),
        ({"note": "bye"}, {"customerComment": "bye"}),
        ({"note": None}, {"customerComment": None}),
        ({"status": "paid"}, {"status": "prepayed"}),
        ({"internal_note": "B2B"}, {"managerComment": "B2B\nCarrier: UPS"}),
        ({"purchase_order": "PO-7"}, {"managerComment": "VIP\ncalled back\nCarrier: UPS\nPurchase order: PO-7"}),
        ({"custom": {"nps": 8, "other": 1}}, {"customFields": {"nps": 8, "theirs": "x"}}),
        ({"custom": {"other": 2, "nps": 9}}, {}),
        ({"custom": {"other": 1}}, {"customFields": {"nps": None, "theirs": "x"}}),
        ({"display_id": "SO-2"}, {"number": "SO-2"}),
    ],
)
def test_only_what_changed_at_the_source_is_written(fields: dict[str, Any], body: dict[str, Any]) -> None:
    assert edit(order(**fields)) == body


def test_a_change_of_the_carrier_keeps_what_people_wrote_and_set() -> None:
    shipping = {"carrier": "DHL", "promised_from": "10:00"}
    assert edit(order(shipping=shipping)) == {"managerComment": "VIP\ncalled back\nCarrier: DHL"}


def test_a_change_of_the_delivery_keeps_the_courier_the_track_number_and_the_rest() -> None:
    assert edit(order(shipping={"carrier": "UPS", "promised_from": "12:00"}))["delivery"] == {
        "code": "courier",
        "cost": Decimal("4.95"),
        "data": {"trackNumber": "T1"},
        "address": {"flat": "5", "city": "Delft"},
        "time": {"from": "12:00"},
    }
    moved = {**BASE["shipping_address"], "city": "Den Haag"}
    assert edit(order(shipping_address=moved))["delivery"]["address"] == {"city": "Den Haag"}


def test_a_changed_line_keeps_its_id_and_other_lines_stay_as_they_are() -> None:
    lines = [LINES[0], {**LINES[1], "quantity": "4"}, LINES[2]]
    body = edit(order(lines=lines))
    assert [(item["id"], item["quantity"]) for item in body["items"]] == [(50, 1), (11, 2), (12, 4), (13, 1), (20, 1)]
    assert body["items"][2] == {
        "id": 12,
        "quantity": Decimal(4),
        "initialPrice": Decimal(12),
        "discountManualAmount": Decimal(0),
    }
    assert body.keys() == {"items", "discountManualAmount"}


def test_a_line_that_is_gone_at_the_source_is_removed_and_a_new_one_added() -> None:
    new = {"id": "4", "name": "Cup", "quantity": "1", "unit_price": "3"}
    items = edit(order(lines=[LINES[0], LINES[2], new]))["items"]
    assert [item.get("id") for item in items] == [50, 11, 13, 20, None]
    assert (items[-1]["productName"], items[-1]["externalIds"]) == ("Cup", (_code("4"),))


def test_a_line_that_people_removed_stays_removed_unless_it_changed() -> None:
    held = there(items=[{"id": 11, "quantity": 2, "initialPrice": 9.9, "externalIds": [_code("1")]}])
    assert edit(order(note="bye"), held=held) == {"customerComment": "bye"}
    items = edit(order(lines=[LINES[0], LINES[1], {**LINES[2], "name": "Green tea"}]), held=held)["items"]
    assert [(item.get("id"), item.get("productName")) for item in items] == [(11, None), (None, "Green tea")]


def test_fees_that_end_are_removed_and_others_change() -> None:
    assert [item["id"] for item in edit(order(totals={"shipping": "4.95"}))["items"]] == [50, 11, 12, 13]
    items = edit(order(totals={"shipping": "4.95", "fees": "2", "tax": "3"}))["items"]
    assert [(item.get("id"), item["initialPrice"]) for item in items[-2:]] == [(20, 2), (None, 3)]


def test_without_a_memory_of_what_was_sent_nothing_of_people_is_emptied() -> None:
    changed = order(note=None, shipping={})
    request = OrderRequest.of(changed, "R-1", zone=ZoneInfo("UTC"), currency=None, codes=CODES)
    body = edit_of(request, changed, Changes.all(changed), there(), CODES)
    assert None not in body.values()
    assert body["delivery"]["data"] == {"trackNumber": "T1"}
    assert [item["id"] for item in body["items"]] == [50, 11, 12, 13, 20]

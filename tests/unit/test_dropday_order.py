"""Orders of Dropday as shops write them: every field is carried or kept, and no detail refuses an order."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import simplejson

from support.leaves import leaves, replaced
from worker.errors import Malformed
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropday.provider import Dropday, DropdayOptions
from worker.systems.provider import Record

if TYPE_CHECKING:
    from schemas.order import Order

FULL = simplejson.loads(
    (Path(__file__).parents[1] / "data" / "full" / "dropday.json").read_text("utf-8"), parse_float=Decimal
)
MUG, CAP = FULL["order_lines"]


def order_of(raw: dict[str, Any], **options: Any) -> Order:
    keys = {"api_key": "k", "account_id": "a", **options}
    client = Client("http://127.0.0.1:9", gate=Open(), headers={})
    try:
        return Dropday("dropday", DropdayOptions.model_validate(keys), client).normalize(Record(raw))
    finally:
        client.close()


def changed(**fields: Any) -> Order:
    return order_of({**FULL, **fields})


def to(**fields: Any) -> Order:
    return changed(shipping_address={**FULL["shipping_address"], **fields})


def lines(*fields: dict[str, Any]) -> Order:
    return changed(order_lines=[{**MUG, **each} for each in fields])


#: Another value of the leaves that have a form.
ANOTHER = {
    "created_at": "2026-03-01T15:30:00.000000Z",
    "updated_at": "2026-03-03T15:30:00.000000Z",
    "delivery_date": "2026-03-06",
    "country": "Belgium",
    "current_status": "failed",
    "test": True,
    "blocked": True,
    "custom": {"size": "xl"},
    "matched_supplier": {"id": 6},
    "logs": [{"id": 2}],
}


@pytest.mark.parametrize("path", [path for path, _ in leaves(FULL)], ids=lambda path: ".".join(map(str, path)))
def test_every_field_of_the_full_order_is_carried_or_kept(path: tuple[Any, ...]) -> None:
    old = dict(leaves(FULL))[path]
    another = old + 1 if isinstance(old, int | Decimal) and not isinstance(old, bool) else f"{old}-x"
    raw = replaced(FULL, path, ANOTHER.get(str(path[-1]), another))
    assert order_of(raw) != order_of(FULL)


def test_the_full_order_is_read_whole() -> None:
    order = order_of(FULL)
    assert (order.status, order.status_raw, order.grand_total) == (
        "processing",
        "completed, declined",
        Decimal("43.35"),
    )
    assert [(line.name, str(line.quantity), line.sku) for line in order.lines] == [
        ("Mug", "2", "MUG-1"),
        ("Cap", "1", None),
    ]
    assert (order.shipping_address.country, order.shipping.promised_on) == ("NL", "2026-03-05")
    assert (order.custom["gift_wrap"], order.custom["gift_message"]) == (True, "Veel plezier")
    assert order.custom["dropday"] == {
        "id": 1542,
        "order_lines": {
            "0": {
                "current_status": "completed",
                "matched_supplier": {"id": 5},
                "logs": MUG["logs"],
            },
            "1": {"current_status": "declined"},
        },
        "suppliers": [{"id": 5, "name": "Potters"}],
    }
    assert order.fingerprint() == changed(id=7).fingerprint()  # what is kept is no change


@pytest.mark.parametrize(("test", "is_test"), [(None, False), ("", False), (True, True), (1, True), ("false", False)])
def test_a_test_that_is_not_set_is_none(test: object, *, is_test: bool) -> None:
    assert changed(test=test).test is is_test


@pytest.mark.parametrize(
    ("statuses", "blocked", "status"),
    [
        (["declined", "declined"], False, "cancelled"),
        (["skipped", "declined"], False, "excluded"),
        (["skipped"], False, "excluded"),
        (["declined", "completed"], False, "processing"),
        (["pending", "completed"], False, "new"),
        (["failed", "completed"], False, "unknown"),
        (["invented"], False, "unknown"),
        ([None], False, "unknown"),
        ([], False, "unknown"),
        (["completed"], True, "on_hold"),
        (["declined"], True, "cancelled"),
        ([], True, "on_hold"),
    ],
)
def test_the_status_is_that_of_the_line_farthest_behind(
    statuses: list[str | None], status: str, *, blocked: bool
) -> None:
    rows = [{**MUG, "current_status": text} for text in statuses]
    assert changed(order_lines=rows, blocked=blocked).status == status


def test_a_status_map_of_the_account_counts() -> None:
    rows = [{**MUG, "current_status": "failed"}]
    assert order_of({**FULL, "order_lines": rows}, status_map={"failed": "on_hold"}).status == "on_hold"


@pytest.mark.parametrize(
    ("written", "day", "text"),
    [
        ("2026-03-05", "2026-03-05", None),
        ("05-03-2026", "2026-03-05", None),
        ("2026-03-05T00:00:00.000000Z", "2026-03-05", None),
        ("2026-03-05 00:00:00", "2026-03-05", None),
        ("0000-00-00", None, None),
        ("0000-00-00 00:00:00", None, None),
        ("", None, None),
        (" ", None, None),
        (None, None, None),
        ("next week", None, "next week"),
        ("2026-02-30", None, "2026-02-30"),
    ],
)
def test_a_delivery_date_is_a_day_or_a_text_or_nothing(written: str | None, day: str | None, text: str | None) -> None:
    shipping = changed(shipping={"delivery_date": written}).shipping
    assert (shipping.promised_on, shipping.promised_text) == (day, text)


@pytest.mark.parametrize(
    ("sent", "ean"),
    [
        ("8712345678906", "8712345678906"),
        (8712345678906, "8712345678906"),
        (Decimal("8.712345678906E+12"), "8712345678906"),
        (36000291452, "0036000291452"),
        (Decimal("8.7177756807e+12"), None),
        (123, None),
        (True, None),
        ("", None),
        (None, None),
    ],
)
def test_an_ean_that_is_a_number_is_read_if_no_digit_is_lost(sent: object, ean: str | None) -> None:
    order = lines({"ean13": sent})
    assert order.lines[0].ean == ean
    kept = order.custom["dropday"]["order_lines"]["0"].get("ean13")
    assert (kept is not None) == (ean is None and sent not in ("", None))


@pytest.mark.parametrize("address", [[], None, "", {}])
def test_goods_without_an_address_are_an_order(address: object) -> None:
    assert changed(shipping_address=address).shipping_address.city is None


@pytest.mark.parametrize(
    ("country", "code"),
    [("Nederland", "NL"), ("United Kingdom (UK)", "GB"), ("EL", "GR"), ("nl", "NL"), ("Pays-Bas", "NL")],
)
def test_a_country_is_read_in_any_language(country: str, code: str) -> None:
    assert to(country=country).shipping_address.country == code


def test_numbers_are_read_as_the_text_they_are() -> None:
    order = to(phone=Decimal("3.1205550101E+10"), postcode=1011)
    assert (order.shipping_address.phone, order.shipping_address.postal_code) == ("31205550101", "1011")


def test_a_total_is_neither_made_from_the_lines_nor_checked_against_them() -> None:
    assert changed(total="99.99").grand_total == Decimal("99.99")
    assert lines({"price": None}).lines[0].unit_price == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"order_lines": [{**MUG, "price": "much"}]}, "order_lines[0].price"),
        ({"order_lines": [{**MUG, "quantity": None}]}, "order_lines[0].quantity"),
        ({"order_lines": ["Mug"]}, "order_lines[0]"),
        ({"total": "much"}, "total"),
        ({"test": "perhaps"}, "test"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"reference": ""}, "reference"),
    ],
)
def test_only_what_an_order_would_be_wrong_without_refuses_it(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as caught:
        changed(**fields)
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["source", "external_id", "custom", "shipping", "shipping_address", "updated_at"])
@pytest.mark.parametrize("value", ["x", 7, ["x"], {"x": 1}, True, None, ""])
def test_a_detail_of_any_other_type_never_refuses_the_order(name: str, value: object) -> None:
    assert changed(**{name: value}).external_id == "DD-98541"

"""The file that Dropboy is sent for an order, and the orders refused before that: nothing is guessed or rounded."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas.minor_units import from_minor, to_minor
from schemas.order import Order
from schemas.phone import split
from schemas.values import clean
from worker.errors import Held
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropboy.target import Dropboy, DropboyOptions
from worker.systems.paging import MOST_SAME, ListPosition

SCHEMA = json.loads((Path(__file__).parents[1] / "contract" / "dropboy_batch.schema.json").read_text("utf-8"))
ORIGIN = {"address": "Dock Rd 1", "zip_code": "8000", "city": "Aarhus", "phone": "+45 87 65 43 21"}
TO = {"first_name": "Ada", "last_name": "Lovelace", "street1": "High St 9", "city": "Copenhagen", "country": "DK"}


class Sent(Client):
    """A client that keeps the request instead of sending it, and fails."""

    def write(self, *args: object, **kinds: Any) -> Any:
        self.files = kinds["files"]
        raise ConnectionError


def order(**fields: Any) -> Order:
    base: dict[str, Any] = {
        "provider": "shop",
        "external_id": "7",
        "status": "new",
        "ordered_at": "2024-04-02T08:14:02Z",
        "lines": [{"name": "Mug", "quantity": "2", "unit_price": "9.9"}],
        "totals": {"grand": "19.8"},
        "shipping_address": TO,
    }
    return Order.model_validate(base | fields)


def target(client: Client, **options: Any) -> Dropboy:
    given_options = {"api_key": "k", "origin": ORIGIN, **options}
    return Dropboy("dropboy", DropboyOptions.model_validate(given_options), client)


def sent_order(given_order: Order, **options: Any) -> dict[str, Any]:
    """Check the file and return its only order."""
    client = Sent("http://127.0.0.1:9", gate=Open(), headers={})
    with pytest.raises(ConnectionError):
        target(client, **options).create(given_order, "SO-7")
    client.close()
    [(part, (_, content, kind))] = client.files
    assert (part, kind) == ("batch", "application/json")
    file = json.loads(content)
    Draft202012Validator(SCHEMA).validate(file)
    [row] = file["data"]
    return dict(row["order"])


def held(given_order: Order, **options: Any) -> str:
    client = Sent("http://127.0.0.1:9", gate=Open(), headers={})
    with pytest.raises(Held) as caught:
        target(client, **options).create(given_order, "SO-7")
    client.close()
    assert not hasattr(client, "files")
    return str(caught.value)


def test_the_schema_is_valid_and_refuses_what_dropboys_validator_refuses() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    good = {"orderNumber": "1", "orderType": "adhoc", "origin": {}, "destination": {}}
    assert validator.is_valid({"version": "1.0", "data": [{"order": good}]})
    for wrong in (
        {"origin": {"phone": {"prefix": 45, "number": "12345678"}}},
        {"origin": {"phone": "+4512345678"}},
        {"price": {"amount": 19.8}},
        {"orderType": "express"},
        {"destination": {"timeWindow": {"start": "2024-04-04T00:00:00Z", "end": "x", "timeType": "between"}}},
        {"orderNumber": 7},
        {"number": "7"},
    ):
        assert not validator.is_valid({"version": "1.0", "data": [{"order": good | wrong}]}), wrong
    assert not validator.is_valid({"version": "1.0", "data": []})


def test_a_minimal_order_makes_a_valid_file() -> None:
    bare = order(lines=[], shipping_address={"street1": "Oude Delft 12", "city": "Delft"})
    assert sent_order(bare) == {
        "orderNumber": "SO-7",
        "orderType": "distribution",
        "origin": {
            "address": "Dock Rd 1",
            "zipCode": "8000",
            "city": "Aarhus",
            "phone": {"prefix": 45, "number": 87654321},
        },
        "destination": {"address": "Oude Delft 12", "city": "Delft"},
        "cargo": [{"type": "pallet", "amount": 1}],
    }


@given(
    st.builds(
        order,
        note=st.none() | st.text(),
        display_id=st.none() | st.text(),
        shipping_address=st.fixed_dictionaries(
            {"street1": st.text(min_size=1).filter(clean), "city": st.just("Delft")},
            optional={
                name: st.none() | st.text()
                for name in ("first_name", "company", "street2", "region", "postal_code", "country", "phone", "phone2")
            },
        ),
        shipping=st.fixed_dictionaries({"promised_on": st.none() | st.dates().map(str)}),
    ),
    st.sampled_from(["Europe/Amsterdam", "America/Sao_Paulo", None]),
)
def test_any_order_makes_a_valid_file(given_order: Order, zone: str | None) -> None:
    written = sent_order(given_order, time_zone=zone)["destination"]
    phone = given_order.shipping_address.phone
    noted = f"Phone: {phone}".replace("\r\n", "\n").replace("\r", "\n")
    assert not phone or "phone" in written or noted in written["comments"]


@pytest.mark.parametrize(
    ("text", "country", "parts"),
    [
        ("+45 12 34 56 78", None, (45, 12345678)),
        ("+4512345678", "NL", (45, 12345678)),
        ("+1 555 0001", None, (1, 5550001)),
        ("0045 12 34 56 78", "DK", None),  # 12345678 is not a valid Danish number, so the zeros may mean something else
        ("0045 32 12 34 56", "DK", (45, 32123456)),
        ("32 12 34 56", "DK", (45, 32123456)),
        ("020 7946 0958", "GB", (44, 2079460958)),
        ("+44 (0)20 7946 0958", None, (44, 2079460958)),
        ("020 7946 0958", None, None),
        ("020 7946 0958", "DK", None),
        ("+39 06 698 12345", None, None),  # the zero is part of the number
        ("06 698 12345", "IT", None),
        ("+45 32 12 34 56 ext. 7", None, None),
        ("+45 12 34 56 78 90 12 34 56", None, None),
        ("call me", "DK", None),
        ("", "DK", None),
        ("+", None, None),
        ("+999 1234567", None, None),
    ],
)
def test_a_phone_becomes_two_integers_only_if_nothing_is_lost_or_guessed(
    text: str, country: str | None, parts: tuple[int, int] | None
) -> None:
    assert split(text, country) == parts


def test_a_phone_that_does_not_fit_goes_into_the_comments() -> None:
    fits = sent_order(order(shipping_address={**TO, "phone": "32 12 34 56"}))["destination"]
    assert (fits["phone"], "comments" in fits) == ({"prefix": 45, "number": 32123456}, False)
    unfit = sent_order(order(shipping_address={**TO, "phone": "020 7946 0958"}, note="Ring"))["destination"]
    assert ("phone" in unfit, unfit["comments"]) == (False, "Ring\nPhone: 020 7946 0958")


def test_an_e_mail_address_that_is_none_is_a_comment() -> None:
    written = sent_order(order(shipping_address={**TO, "email": "n/a"}))["destination"]
    assert ("email" in written, written["comments"]) == (False, "E-mail: n/a")


def promised(**shipping: str) -> dict[str, Any]:
    return dict(sent_order(order(shipping=shipping), time_zone="Europe/Amsterdam")["destination"])


@pytest.mark.parametrize(
    ("shipping", "start", "end"),
    [
        ({"promised_on": "2024-03-31"}, "2024-03-30T23:00", "2024-03-31T22:00"),  # summer time begins: 23 hours
        ({"promised_from": "10:00", "promised_until": "14:00"}, "2026-01-07T09:00", "2026-01-07T13:00"),
        ({"promised_from": "10:00"}, "2026-01-07T09:00", "2026-01-07T23:00"),
        ({"promised_until": "14:00"}, "2026-01-06T23:00", "2026-01-07T13:00"),
        ({"promised_from": "22:00", "promised_until": "02:00"}, "2026-01-07T21:00", "2026-01-08T01:00"),
        ({"promised_until": "00:00"}, "2026-01-06T23:00", "2026-01-07T23:00"),
    ],
)
def test_a_promised_time_is_a_window_in_the_receivers_zone(shipping: dict[str, str], start: str, end: str) -> None:
    window = promised(**{"promised_on": "2026-01-07", **shipping})["timeWindow"]
    assert window == {"start": f"{start}:00.000Z", "end": f"{end}:00.000Z", "timeType": "between"}


@pytest.mark.parametrize(
    ("shipping", "comment"),
    [
        ({"promised_on": "2024-02-30"}, "Promised on: 2024-02-30"),
        (
            {"promised_on": "2026-01-07", "promised_from": "10:00", "promised_until": "10:00"},
            "Promised on: 2026-01-07 10:00-10:00",
        ),
        ({"promised_from": "10:00"}, "Promised on: from 10:00"),
        ({"promised_text": "after lunch"}, "Promised: after lunch"),
    ],
)
def test_a_promise_that_is_no_window_is_a_comment(shipping: dict[str, str], comment: str) -> None:
    written = promised(**shipping)
    assert ("timeWindow" in written, written["comments"]) == (False, comment)


def test_a_promised_time_is_a_comment_without_a_time_zone() -> None:
    hours = order(shipping={"promised_on": "2026-01-07", "promised_from": "10:00", "promised_until": "14:00"})
    assert sent_order(hours)["destination"]["comments"] == "Promised on: 2026-01-07 10:00-14:00"


def test_what_the_driver_needs_and_has_no_field_is_in_the_comments() -> None:
    full = order(
        display_id="1077",
        purchase_order="PO-1",
        currency="EUR",
        note="Ring twice",
        gift_message="Happy birthday",
        customer={"tax_id": "DK1"},
        shipping_address={
            **TO,
            "middle_name": "B.",
            "region": "Zealand",
            "phone": "32 12 34 56",
            "phone2": "+4587654321",
        },
        shipping={
            "note": "Gate 3",
            "carrier": "UPS",
            "method": "Ground",
            "description": "5 days",
            "signature_required": True,
            "insured_amount": "100",
            "account": "A1",
            "pickup_point": {"name": "Kiosk"},
            "tracking_number": "T1",
            "warehouse": "main",
            "ship_on": "2026-03-01",
            "cancel_after": "2026-03-09",
        },
    )
    sent = sent_order(full)
    assert sent["destination"]["comments"].split("\n") == [
        "Gate 3",
        "Ring twice",
        "Gift message: Happy birthday",
        "Carrier: UPS",
        "Shipping method: Ground",
        "Shipping: 5 days",
        "Ship on or after: 2026-03-01",
        "Cancel after: 2026-03-09",
        "Signature required",
        "Insured amount: 100 EUR",
        "Carrier account: A1",
        "Pickup point: Kiosk",
        "Tracking number: T1",
        "Warehouse: main",
        "Second phone: +4587654321",
        "Tax number: DK1",
        "Region: Zealand",
        "Order number: 1077",
    ]
    assert (sent["requisition"], sent["destination"]["attention"]) == ("PO-1", "Ada B. Lovelace")


def test_the_goods_are_listed_with_what_was_chosen() -> None:
    line = {"name": "Mug", "quantity": "2", "unit_price": "9.9", "note": "Handle with care", "gift_wrap": True}
    chosen = [{"name": "size", "value": "xl"}, {"name": "size", "value": "long"}]
    goods = order(lines=[{**line, "options": chosen}, {"name": "Tea", "quantity": "1.5", "unit_price": "1"}])
    assert sent_order(goods)["comments"].split("\n") == [
        "2 x Mug (size: xl, size: long, gift wrap, Handle with care)",
        "1.5 x Tea",
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("19.8", "EUR", 1980),
        ("1980", "JPY", 1980),
        ("1.234", "KWD", 1234),
        ("12345678901234567890.12", "EUR", 1234567890123456789012),
        ("123456789012345678901234567.8", "EUR", 12345678901234567890123456780),
        ("1.2345", "CLF", 12345),
    ],
)
def test_an_amount_is_converted_to_minor_units_and_back(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor
    assert from_minor(Decimal(minor), currency) == Decimal(amount)
    price = order(currency=currency, totals={"grand": amount})
    assert sent_order(price, price="send", currency=currency)["price"] == {"amount": minor}


def price_of(total: str | None, currency: str = "EUR", **fields: Any) -> object:
    priced = order(totals={} if total is None else {"grand": total}, **fields)
    return sent_order(priced, price="send", currency=currency).get("price", {}).get("amount")


def test_a_price_that_is_too_fine_and_a_foreign_currency_are_held_with_the_field_named() -> None:
    eur = {"price": "send", "currency": "EUR"}
    jpy = {"price": "send", "currency": "JPY"}
    assert "totals.grand: the amount is finer" in held(order(totals={"grand": "19.805"}), **eur)
    assert "totals.grand: the amount is finer" in held(order(totals={"grand": "19.8"}), **jpy)
    assert "totals.grand: below zero" in held(order(totals={"grand": "-0.01"}), **eur)
    assert "currency: the order is in USD, the account in EUR" in held(order(currency="USD"), **eur)
    assert price_of("19.8") == 1980  # an order without a currency is in the account's
    assert "price" not in sent_order(order(currency="USD", totals={"grand": "19.805"}), currency="EUR")


@pytest.mark.parametrize(
    ("total", "minor"),
    [
        ("29.979999999999997", 2998),
        ("29.98000000000001", 2998),
        ("0.0049999", None),
        ("29.9799", 2998),
        ("29.975", None),
    ],
)
def test_the_noise_of_floating_point_numbers_is_rounded_and_nothing_else(total: str, minor: int | None) -> None:
    if minor is None:
        assert "finer" in held(order(totals={"grand": total}), price="send", currency="EUR")
    else:
        assert price_of(total) == minor


def test_a_calculated_total_is_rounded_to_what_can_be_paid_and_an_unknown_one_is_left_out() -> None:
    pieces = [{"name": "Mug", "quantity": 3, "unit_price": "3.3333"}]
    assert price_of(None, lines=pieces) == 1000
    assert price_of(None, lines=[{"name": "pallet", "quantity": 1, "unit_price": 0}]) is None
    assert price_of("0", lines=pieces) == 0


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ({"first_name": "Ada", "country": "DK"}, "destination.address, destination.zipCode, destination.city"),
        ({"street1": "High St 9"}, "destination.zipCode, destination.city"),
        ({"city": "Copenhagen"}, "destination.address"),
    ],
)
def test_an_order_that_cannot_be_carried_is_held_with_all_fields_named(address: dict[str, str], fields: str) -> None:
    assert f"without {fields}." in held(order(shipping_address=address))


def test_a_test_order_is_held() -> None:
    assert "test orders" in held(order(test=True))


def test_a_postal_code_or_a_city_is_enough_of_a_place() -> None:
    for place in ({"postal_code": "2100"}, {"city": "Copenhagen"}):
        assert sent_order(order(shipping_address={"street1": "High St 9", **place}))["destination"]["address"]


def test_a_country_is_sent_as_a_code_or_goes_into_the_comments() -> None:
    assert sent_order(order(shipping_address={**TO, "country": "Denmark"}))["destination"]["countryCode"] == "DK"
    elsewhere = sent_order(order(shipping_address={**TO, "country": "Narnia"}))["destination"]
    assert ("countryCode" in elsewhere, elsewhere["comments"]) == (False, "Country: Narnia")


@pytest.mark.parametrize(
    "options",
    [
        {"origin": None},
        {"origin": {"city": "Aarhus"}},
        {"origin": {**ORIGIN, "phone": "87 65 43 21"}},
        {"contract_key": "my contract"},
        {"price": "send"},
        {"currency": "XAU"},
        {"currency": "eur"},
        {"order_type": "express"},
        {"time_zone": "Mars/Olympus"},
    ],
)
def test_invalid_options_are_refused_at_start(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DropboyOptions.model_validate({"api_key": "k", "origin": ORIGIN, **options})


def walk(rows: list[str], take: int, cap: int) -> tuple[set[str], int]:
    """Return the rows that a walk reads of an unchanging list, and the number of pages."""
    place, seen, pages = ListPosition(), set(), 0
    while True:
        page = rows[place.skip : place.skip + min(take, cap)]
        seen |= set(page)
        pages += 1
        after = place.after(page)
        if after is None:
            return seen, pages
        place = after


@given(st.integers(0, 600), st.integers(1, 300), st.integers(1, 300))
def test_a_walk_reads_every_row_whatever_the_cap(count: int, take: int, cap: int) -> None:
    rows = [str(number) for number in range(count)]
    seen, pages = walk(rows, take, cap)
    assert seen == set(rows)
    assert pages <= 2 * (count // min(take, cap)) + 3


@given(st.integers(20, 300), st.lists(st.tuples(st.integers(0, 17), st.integers(0, 2)), max_size=60))
@example(21, [(17, 0), (17, 0), (17, 0)])
def test_a_walk_reads_every_row_that_stays_while_rows_arrive_at_the_front_and_few_leave(
    count: int, moves: list[tuple[int, int]]
) -> None:
    rows = [str(number) for number in range(count)]
    stay, place, seen = set(rows), ListPosition(), set()
    for step in range(1000):
        page = rows[place.skip : place.skip + 20]
        seen |= set(page)
        after = place.after(page)
        if after is None:
            break
        place = after
        come, leave = moves[step] if step < len(moves) else (0, 0)
        rows = [f"{step}-{number}" for number in range(come)] + rows
        if place.overlap:
            stay -= set(rows[:leave])
            rows = rows[leave:]
    assert stay <= seen


def test_a_server_that_ignores_skip_does_not_hold_a_walk_forever() -> None:
    place, pages = ListPosition(), 0
    while (after := place.after(["a", "b", "c"])) is not None:
        place, pages = after, pages + 1
    assert pages == MOST_SAME

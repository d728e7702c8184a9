"""Jobs of Dropboy: the documented fields are read wherever they stand, and every field is carried or kept."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import simplejson

from support.leaves import leaves, replaced
from worker.errors import Malformed, Rejected
from worker.http.client import Answer, Client
from worker.http.gates import Open
from worker.systems.dropboy.provider import Dropboy, DropboyOptions
from worker.systems.provider import Record

if TYPE_CHECKING:
    from schemas.order import Order

FULL = simplejson.loads(
    (Path(__file__).parents[1] / "data" / "full" / "dropboy.json").read_text("utf-8"), parse_float=Decimal
)
JOB = FULL["order"]
OPTIONS = {"api_key": "k", "currency": "EUR", "time_zone": "Europe/Copenhagen"}


class Listing(Client):
    """A list of the given rows."""

    rows: list[dict[str, Any]]

    def read(self, path: str, *_: object, **__: object) -> Answer:
        return Answer(200, {}, simplejson.dumps({"success": True, "result": self.rows}).encode(), f"GET {path}")


def provider(*rows: dict[str, Any], **options: Any) -> Dropboy:
    client = Listing("http://127.0.0.1:9", gate=Open(), headers={})
    client.rows = list(rows)
    client.close()
    return Dropboy("boy", DropboyOptions.model_validate({**OPTIONS, **options}), client)


def order_of(raw: dict[str, Any], **options: Any) -> Order:
    return provider(**options).normalize(Record(raw))


def job(**fields: Any) -> Order:
    return order_of({**FULL, "order": {**JOB, **fields}})


def to(**fields: Any) -> Order:
    return job(destination={**JOB["destination"], **fields})


#: Another value of the leaves that have a form.
ANOTHER = {
    "created": "2026-03-01T11:37:05.000Z",
    "start": "2026-03-05T08:30:00.000Z",
    "end": "2026-03-05T15:00:00.000Z",
    "timeType": "before",
    "countryCode": "SE",
    "services": ["lift"],
    "commentsFiles": ["a.pdf"],
    "commentsSpecial": ["fragile"],
}


@pytest.mark.parametrize("path", [path for path, _ in leaves(FULL)], ids=lambda path: ".".join(map(str, path)))
def test_every_field_of_the_full_job_is_carried_or_kept(path: tuple[Any, ...]) -> None:
    old = dict(leaves(FULL))[path]
    another = not old if isinstance(old, bool) else old + 1 if isinstance(old, int | Decimal) else f"{old}-x"
    raw = replaced(FULL, path, ANOTHER.get(str(path[-1]), another))
    assert order_of(raw) != order_of(FULL)


def test_the_full_job_is_read_whole() -> None:
    order, shipping = order_of(FULL), order_of(FULL).shipping
    assert (order.external_id, order.source_id, order.display_id) == (FULL["id"], "SO-1001", "HAU-392-45425580")
    assert (order.purchase_order, order.status, order.grand_total) == ("REQ-7", "shipped", Decimal(100))
    assert (shipping.promised_on, shipping.promised_from, shipping.promised_until) == ("2026-03-05", "11:00", "15:00")
    assert (order.note, shipping.note, order.tags) == ("2 x Mug", "dog", ("cold",))
    assert (order.shipping_address.phone, order.shipping_address.street2) == ("+4587654321", "2nd floor")
    assert [(line.id, line.name, str(line.quantity)) for line in order.lines] == [("BC-1", "pallet", "1")]
    assert order.custom["customFields"] == {"shop": "web"}
    kept = {"contractKey", "orderType", "pickuped", "paidBy", "origin", "sender", "receiver", "ruleset", "sendSMS"}
    assert order.custom["dropboy"].keys() == {*kept, "smsSettings", "destination"}
    assert order.custom["dropboy"]["destination"].keys() == {"coordinates", "timeWindow"}
    assert order.fingerprint() == job(ruleset="express").fingerprint()  # what is kept is no change


@pytest.mark.parametrize(
    "row",
    [
        {**{name: FULL[name] for name in ("id", "wuxusNumber", "status", "created")}, **JOB},
        {**{name: FULL[name] for name in ("wuxusNumber", "status", "created")}, "orderId": FULL["id"], "order": JOB},
        {"data": {"row": {"order": JOB}}, **{name: value for name, value in FULL.items() if name != "order"}},
        {
            "data": [{"order": JOB, "id": "not this"}],
            **{name: value for name, value in FULL.items() if name != "order"},
        },
        {"job": {**FULL, **JOB, "order": None}, "status": None},
    ],
)
def test_a_job_is_read_wherever_in_the_element_it_stands(row: dict[str, Any]) -> None:
    order, wanted = order_of(row), order_of(FULL)
    assert order.model_copy(update={"custom": {}}) == wanted.model_copy(update={"custom": {}})


def test_a_job_without_cargo_has_no_lines_and_a_cargo_without_an_amount_is_refused() -> None:
    assert job(cargo=None).lines == order_of({**FULL, "order": {"destination": JOB["destination"]}}).lines == ()
    with pytest.raises(Malformed, match=r"cargo\[0\]\.amount"):
        job(cargo=[{"type": "pallet"}])


@pytest.mark.parametrize(
    ("cargo", "line_id", "ean", "name"),
    [
        ({"type": "pallet", "barcode": "370000000000000017"}, "370000000000000017", None, "pallet"),
        ({"type": "parcel", "barcode": "8712345678906"}, "8712345678906", "8712345678906", "parcel"),
        ({"type": " ", "barcode": "8712345678905"}, "8712345678905", None, "8712345678905"),
        ({"type": "parcel", "barcode": "8712345678906", "cargoId": "c1"}, "c1", "8712345678906", "parcel"),
        ({}, None, None, "cargo"),
    ],
)
def test_a_barcode_names_the_piece_and_the_goods_only_if_it_is_a_gtin(
    cargo: dict[str, str], line_id: str | None, ean: str | None, name: str
) -> None:
    line = job(cargo=[{"amount": 1, **cargo}]).lines[0]
    assert (line.id, line.ean, line.name, str(line.unit_price)) == (line_id, ean, name, "0")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("inTransit", "shipped"),
        ("In transit", "shipped"),
        ("onHold", "on_hold"),
        ("CANCELLED", "cancelled"),
        ("delivered", "delivered"),
        ("teleported", "unknown"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_a_status_is_a_plain_word_or_one_of_the_account(word: str | None, status: str) -> None:
    assert order_of({**FULL, "status": word}).status == status
    mapped = order_of({**FULL, "status": "inTransit"}, status_map={"inTransit": "delivered"})
    assert mapped.status == "delivered"


@pytest.mark.parametrize(
    ("phone", "read"),
    [
        ({"prefix": 45, "number": 12345678}, "+4512345678"),
        ({"prefix": "+45", "number": "12345678"}, "+4512345678"),
        ({"prefix": "0045", "number": 12345678}, "+4512345678"),
        ({"prefix": None, "number": 12345678}, "12345678"),
        ({"prefix": 45, "number": None}, None),
        ({"prefix": 45}, None),
        ("+45 12 34 56 78", "+45 12 34 56 78"),
        (12345678, "12345678"),
        ([], None),
        ("", None),
    ],
)
def test_a_phone_is_read_in_any_form(phone: object, read: str | None) -> None:
    assert to(phone=phone).shipping_address.phone == read


WINDOW = JOB["destination"]["timeWindow"]


@pytest.mark.parametrize(
    ("window", "promise"),
    [
        ({}, ("2026-03-05", "11:00", "15:00", None)),
        ({"timeType": "after"}, ("2026-03-05", "11:00", None, None)),
        ({"timeType": "before"}, ("2026-03-05", None, "15:00", None)),
        ({"timeType": "anytime"}, ("2026-03-05", None, None, None)),
        ({"start": "2026-03-04T23:00:00.000Z", "end": "2026-03-05T23:00:00.000Z"}, ("2026-03-05", None, None, None)),
        ({"start": "2026-03-05T21:00:00.000Z", "end": "2026-03-06T02:00:00Z"}, ("2026-03-05", "22:00", "03:00", None)),
        ({"start": "2026-03-05T10:00:00.297ZZ"}, ("2026-03-05", "11:00", "15:00", None)),
        ({"start": "2026-03-05T10:00:00"}, ("2026-03-05", "11:00", "15:00", None)),
        ({"start": 1772704800000}, ("2026-03-05", "11:00", "15:00", None)),
        (
            {"end": "2026-03-09T14:00:00.000Z"},
            (None, None, None, "2026-03-05 10:00 UTC - 2026-03-09 14:00 UTC"),
        ),
        ({"start": None, "end": None}, (None, None, None, None)),
        ({"start": "soon", "end": ""}, (None, None, None, None)),
    ],
)
def test_a_time_window_is_a_day_with_hours_in_the_zone_of_the_account(
    window: dict[str, Any], promise: tuple[str | None, ...]
) -> None:
    shipping = to(timeWindow={**WINDOW, **window}).shipping
    read = (shipping.promised_on, shipping.promised_from, shipping.promised_until, shipping.promised_text)
    assert read == promise


def test_a_time_window_is_a_text_without_a_zone() -> None:
    shipping = order_of(FULL, time_zone=None).shipping
    assert (shipping.promised_on, shipping.promised_text) == (None, "2026-03-05 10:00 UTC - 2026-03-05 14:00 UTC")


@pytest.mark.parametrize(
    ("price", "total"),
    [({"amount": 10000}, "100"), ({"amount": "10000"}, "100"), (10000, "100"), ({"amount": None}, None), ({}, None)],
)
def test_the_price_is_in_minor_units_and_that_of_the_transport(price: object, total: str | None) -> None:
    order = job(price=price)
    assert order.totals.grand == order.totals.shipping == (None if total is None else Decimal(total))
    assert order.adds_up is not False


def test_an_amount_without_a_currency_is_kept() -> None:
    order = order_of(FULL, currency=None)
    assert (order.totals.grand, order.custom["dropboy"]["price"]) == (None, {"amount": 10000})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cargo": [{"type": "pallet", "amount": "many"}]}, r"cargo\[0\]\.amount"),
        ({"cargo": ["pallet"]}, r"cargo\[0\]"),
        ({"price": {"amount": "much"}}, r"price\.amount"),
        ({"destination": None}, "destination"),
    ],
)
def test_only_what_an_order_would_be_wrong_without_refuses_it(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed, match=field):
        job(**fields)
    with pytest.raises(Malformed, match="createdAt"):
        order_of({**FULL, "created": "yesterday"})


@pytest.mark.parametrize("name", ["requisition", "customFields", "routingTags", "receiver", "comments", "orderNumber"])
@pytest.mark.parametrize("value", ["x", 7, ["x"], {"x": 1}, True, None, ""])
def test_a_detail_of_any_other_type_never_refuses_the_job(name: str, value: object) -> None:
    assert job(**{name: value}).external_id == FULL["id"]


def test_check_reports_a_list_that_shows_no_destination() -> None:
    provider(FULL).check()
    provider().check()
    provider({"id": "1"}, bare="accept").check()
    with pytest.raises(Rejected, match="bare"):
        provider({"id": "1"}).check()


def test_a_job_is_found_by_its_id_wherever_it_stands() -> None:
    rows = ({"order": {**JOB, "id": "a"}}, {"orderId": "b", "order": JOB})
    found = [provider(*rows).fetch_one(external_id) for external_id in ("a", "b", "c")]
    assert [record and record.raw for record in found] == [*rows, None]

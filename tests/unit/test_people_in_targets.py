"""Who receives the goods, and in which country: the same for every target, wherever the order says it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import asdict

from schemas import dropday_request, ordercloud_mark, ordercloud_place, retailcrm_request
from schemas.countries import country_name
from schemas.dropboy_batch import BatchFile, Party, Phone, Terms
from schemas.order import Address, Customer, Line, Order, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PERSON: Final = {"first_name": "Ada", "last_name": "Byron", "phone": "+31612345678", "email": "ada@example.org"}
PLACE: Final = {"street1": "Main St 1", "city": "Utrecht", "postal_code": "3511AB", "country": "NL"}


def dropday(order: Order) -> Any:
    request = dropday_request.OrderRequest.of(order, "R", source="shop", test=False, country=str)
    parts = {name: asdict(getattr(request, name)) for name in ("shipping_address", "shipping")}
    return asdict(request) | parts | {"products": [asdict(product) for product in request.products]}


def retailcrm(order: Order) -> Any:
    codes = retailcrm_request.Codes()
    request = retailcrm_request.OrderRequest.of(order, "R", zone=ZoneInfo("UTC"), currency="EUR", codes=codes)
    return request.model_dump(mode="json", by_alias=True)


def ordercloud(order: Order) -> Any:
    ship_to, _ = ordercloud_place.ship_to(order, None)
    return [ship_to, ordercloud_place.bill_to(order, None), ordercloud_mark.order_mark(order, None)]


def dropboy(order: Order) -> Any:
    phone = Phone.of("+45 87 65 43 21")
    origin = Party(address="Dock Rd 1", zip_code="8000", city="Aarhus", phone=phone)
    return BatchFile.of(order, "R", Terms(None, "adhoc", "pallet", origin, None), None).body()


TARGETS: Final[Mapping[str, Callable[[Order], Any]]] = {
    "dropday": dropday,
    "retailcrm": retailcrm,
    "ordercloud": ordercloud,
    "dropboy": dropboy,
}
#: The field of each target that holds a country.
COUNTRY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "dropday": lambda body: body["shipping_address"]["country"],
    "retailcrm": lambda body: body["delivery"]["address"]["countryIso"],
    "ordercloud": lambda body: body[0].get("Country"),
    "dropboy": lambda body: body["data"][0]["order"]["destination"].get("countryCode"),
}


def order(**parts: Any) -> Order:
    return Order(
        provider="p",
        external_id="1",
        status=Status.NEW,
        ordered_at=datetime(2026, 1, 5, tzinfo=UTC),
        currency="EUR",
        lines=(Line(id="1", name="Mug", quantity=Decimal(1), unit_price=Decimal(5)),),
        totals=Totals(),
        **parts,
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "parts",
    [
        {"shipping_address": PERSON | PLACE},
        {"shipping_address": PERSON},
        {"shipping_address": PERSON | {"country": "NL"}},
        {"shipping_address": PLACE, "customer": PERSON},
        {"customer": PERSON},
        {"shipping_address": PLACE | {"first_name": " ", "last_name": "\t"}, "customer": PERSON},
        {"shipping_address": PLACE | {"first_name": "Ada"}, "customer": PERSON},
        {"shipping_address": PLACE, "billing_address": PERSON | PLACE},
        {"billing_address": PERSON},
        {"shipping_address": PLACE | PERSON | {"first_name": "Ada Byron", "last_name": ""}},
    ],
)
def test_the_person_is_in_the_request(target: str, parts: Any) -> None:
    text = json.dumps(TARGETS[target](order(**parts)), default=str)
    missing = {word for word in ("Ada", "Byron", "ada@example.org", "612345678") if word not in text}
    assert missing == set()


@pytest.mark.parametrize("target", TARGETS)
def test_a_country_is_a_code_however_it_is_written(target: str) -> None:
    ways = {"nl": "NL", "Nederland": "NL", "Niederlande": "NL", "NLD": "NL", "UK": "GB", "United Kingdom (UK)": "GB"}
    found = {
        way: COUNTRY[target](TARGETS[target](order(shipping_address=PERSON | PLACE | {"country": way}))) for way in ways
    }
    assert found == ways


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("text", ["Narnia", "-", "QQ", "0", "EU", "Netherlands or Belgium", "x" * 300])
def test_a_text_that_is_no_country_is_not_sent_as_one_and_not_lost(target: str, text: str) -> None:
    body = TARGETS[target](order(shipping_address=PERSON | PLACE | {"country": text}))
    assert COUNTRY[target](body) is None
    assert text in json.dumps(body, default=str)


def test_dropday_may_get_names() -> None:
    request = dropday_request.OrderRequest.of(
        order(shipping_address=Address(country="uk"), customer=Customer()),
        "R",
        source="s",
        test=False,
        country=country_name,
    )
    assert request.shipping_address.country == "United Kingdom"

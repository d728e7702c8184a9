"""The soak's orders: the content of each follows from its source, number and version: nothing has to be stored."""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from typing import Any, NamedTuple

_FIRST = ("Ada", "Bo", "Cleo", "Dirk", "Eva", "Finn", "Gül", "Hanna", "Íris", "Jan")
_CITIES = ("Delft", "Utrecht", "Gent", "Köln", "Århus", "Łódź", "Porto", "Graz")
_GOODS = ("Mug", "Lamp, oak", "Chair", 'Screen 27"', "Tea & honey", "Sock", "Blanket")
#: Every LATE-th order becomes visible only after newer ones.
LATE = 37


class Line(NamedTuple):
    name: str
    quantity: int
    cents: int


class Content(NamedTuple):
    """The content of an order, which source and target must share; amounts in cents."""

    first: str
    last: str
    email: str
    street: str
    city: str
    postcode: str
    shipping: int
    lines: tuple[Line, ...]

    @property
    def goods(self) -> int:
        return sum(line.quantity * line.cents for line in self.lines)


@lru_cache(maxsize=20_000)
def content(source: str, number: int, version: int = 0) -> Content:
    """Return the content of the order `number` of a source; each edit changes its goods, or its address."""
    if version:
        before = content(source, number, version - 1)
        if (number + version) % 2:
            return before._replace(city=_CITIES[(number + version) % len(_CITIES)], postcode=f"{10_000 + version}")
        first, *others = before.lines
        return before._replace(lines=(first._replace(quantity=first.quantity + version), *others))
    h = zlib.crc32(f"{source}:{number}".encode()) | zlib.crc32(f"{number}/{source}".encode()) << 32
    lines = tuple(
        Line(f"{_GOODS[(h >> n) % len(_GOODS)]} {number % 97}-{n}", 1 + (h >> 3 + n & 3), 100 + (h >> 5 * n) % 9000)
        for n in range(1 + h % 3)
    )
    return Content(
        _FIRST[h % len(_FIRST)],
        f"Nr{number}",
        f"{source}.{number}@example.org",
        f"Street {h % 211}, {number}",
        _CITIES[h % len(_CITIES)],
        f"{10_000 + h % 80_000}",
        (h >> 9) % 900,
        lines,
    )


def _euros(cents: int) -> float:
    return cents / 100


def shop_order(source: str, number: int, created: str, version: int = 0, status: str = "new") -> dict[str, Any]:
    """Return an order as RetailCRM lists it."""
    order_content = content(source, number, version)
    return {
        "id": number,
        "externalId": f"s{number}",
        "number": f"{number}C",
        "site": "main",
        "status": status,
        "createdAt": created,
        "currency": "EUR",
        "countryIso": "NL",
        "summ": _euros(order_content.goods),
        "totalSumm": _euros(order_content.goods + order_content.shipping),
        "firstName": order_content.first,
        "lastName": order_content.last,
        "email": order_content.email,
        "customer": {"id": number, "firstName": order_content.first, "lastName": order_content.last},
        "delivery": {
            "cost": _euros(order_content.shipping),
            "address": {
                "index": order_content.postcode,
                "countryIso": "NL",
                "city": order_content.city,
                "text": order_content.street,
            },
        },
        "items": [
            {
                "id": number * 10 + n,
                "productName": line.name,
                "quantity": line.quantity,
                "initialPrice": _euros(line.cents),
                "offer": {"id": n, "article": f"SKU-{n}"},
            }
            for n, line in enumerate(order_content.lines)
        ],
        "customFields": [],
    }


def job(source: str, number: int) -> str:
    """Return the job with which a producer pushes the order."""
    order_content = content(source, number)
    order = {
        "external_id": str(number),
        "status": "new",
        "ordered_at": "2026-01-01T10:00:00Z",
        "currency": "EUR",
        "lines": [
            {
                "product_id": str(n),
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": f"{line.cents / 100:.2f}",
            }
            for n, line in enumerate(order_content.lines)
        ],
        "totals": {
            "shipping": f"{order_content.shipping / 100:.2f}",
            "grand": f"{(order_content.goods + order_content.shipping) / 100:.2f}",
        },
        "customer": {"email": order_content.email},
        "shipping_address": {
            "first_name": order_content.first,
            "last_name": order_content.last,
            "street1": order_content.street,
            "city": order_content.city,
            "postal_code": order_content.postcode,
            "country": "NL",
        },
    }
    return json.dumps({"v": 1, "provider": source, "order": order})


def hint(source: str, number: int) -> str:
    """Return the job that only names an order."""
    return json.dumps({"v": 1, "provider": source, "external_id": str(number)})


def _cents(amount: Any) -> int:
    return round(float(amount) * 100)


def in_depot(body: dict[str, Any]) -> Content:
    """Return the content of a request to Dropday."""
    to = body["shipping_address"]
    lines = tuple(Line(p["name"], int(p["quantity"]), _cents(p["price"])) for p in body["products"])
    cost = _cents(body["shipping_cost"])
    return Content(
        to["first_name"], to["last_name"], body["email"], to["address1"], to["city"], to["postcode"], cost, lines
    )


def depot_total(body: dict[str, Any]) -> int:
    """Return the total of a request to Dropday, in cents."""
    return _cents(body["total"])


def in_crm(order: dict[str, Any]) -> Content:
    """Return the content of an order sent to RetailCRM."""
    to = order["delivery"]["address"]
    lines = tuple(Line(i["productName"], int(i["quantity"]), _cents(i["initialPrice"])) for i in order["items"])
    cost = _cents(order["delivery"]["cost"])
    return Content(
        order["firstName"], order["lastName"], order["email"], to["text"], to["city"], to["index"], cost, lines
    )


#: What a hostile record has in place of a field.
_SPOILS: tuple[tuple[str, Any], ...] = (
    ("items", None),
    ("items", [{"quantity": "some"}]),
    ("items", "none"),
    ("createdAt", "0000-00-00 00:00:00"),
    ("createdAt", {}),
    ("totalSumm", "1.234,56"),
    ("totalSumm", "NaN"),
    ("currency", "EURO"),
    ("delivery", [[]]),
    ("status", {"code": "new"}),
    ("lastName", "\u202e" + "x" * 4000),
    ("customFields", "[" * 600),
)


def hostile(order: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a record of which one field is spoiled."""
    field, value = _SPOILS[number % len(_SPOILS)]
    return {**order, field: value}


def essence(order: Content, total: int | None = None) -> dict[str, str]:
    """Return the fields that source and target share, as text; `total` in cents, if it is stated and not computed."""
    goods = order.goods + order.shipping
    return {
        "name": f"{order.first} {order.last}",
        "street": order.street,
        "city": order.city,
        "postcode": order.postcode,
        "email": order.email,
        "shipping": str(order.shipping),
        "lines": "\n".join(sorted(f"{line.name} x {line.quantity} at {line.cents}" for line in order.lines)),
        "total": str(goods if total is None else total),
    }

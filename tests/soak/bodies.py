"""The soak's orders: the content of each follows from its source and number, so that nothing has to be stored."""

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
def content(source: str, number: int) -> Content:
    """Return the content of the order `number` of a source."""
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


def shop_order(source: str, number: int, created: str) -> dict[str, Any]:
    """Return an order as RetailCRM lists it."""
    order_content = content(source, number)
    return {
        "id": number,
        "externalId": f"s{number}",
        "number": f"{number}C",
        "site": "main",
        "status": "new",
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
    """Return the content of a request to Dropday; raise ValueError for a total that does not match its lines."""
    to = body["shipping_address"]
    lines = tuple(Line(p["name"], int(p["quantity"]), _cents(p["price"])) for p in body["products"])
    cost = _cents(body["shipping_cost"])
    parsed = Content(
        to["first_name"], to["last_name"], body["email"], to["address1"], to["city"], to["postcode"], cost, lines
    )
    if _cents(body["total"]) != parsed.goods + cost:
        raise ValueError("the total is not that of its lines")
    return parsed


def in_crm(order: dict[str, Any]) -> Content:
    """Return the content of an order sent to RetailCRM."""
    to = order["delivery"]["address"]
    lines = tuple(Line(i["productName"], int(i["quantity"]), _cents(i["initialPrice"])) for i in order["items"])
    cost = _cents(order["delivery"]["cost"])
    return Content(
        order["firstName"], order["lastName"], order["email"], to["text"], to["city"], to["index"], cost, lines
    )

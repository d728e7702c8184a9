"""The soak's orders: each follows from its source and its number, so that nobody has to remember what it holds."""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from typing import Any, NamedTuple

_FIRST = ("Ada", "Bo", "Cleo", "Dirk", "Eva", "Finn", "Gül", "Hanna", "Íris", "Jan")
_CITIES = ("Delft", "Utrecht", "Gent", "Köln", "Århus", "Łódź", "Porto", "Graz")
_GOODS = ("Mug", "Lamp, oak", "Chair", 'Screen 27"', "Tea & honey", "Sock", "Blanket")
#: Which orders are seen only a moment after younger ones: every so many-th.
LATE = 37


class Line(NamedTuple):
    name: str
    quantity: int
    cents: int


class Content(NamedTuple):
    """What an order holds, as both sides must have it; amounts in cents."""

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
    """The order `number` of a source."""
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
    """An order as RetailCRM's lists show it."""
    it = content(source, number)
    return {
        "id": number,
        "externalId": f"s{number}",
        "number": f"{number}C",
        "site": "main",
        "status": "new",
        "createdAt": created,
        "currency": "EUR",
        "countryIso": "NL",
        "summ": _euros(it.goods),
        "totalSumm": _euros(it.goods + it.shipping),
        "firstName": it.first,
        "lastName": it.last,
        "email": it.email,
        "customer": {"id": number, "firstName": it.first, "lastName": it.last},
        "delivery": {
            "cost": _euros(it.shipping),
            "address": {"index": it.postcode, "countryIso": "NL", "city": it.city, "text": it.street},
        },
        "items": [
            {
                "id": number * 10 + n,
                "productName": line.name,
                "quantity": line.quantity,
                "initialPrice": _euros(line.cents),
                "offer": {"id": n, "article": f"SKU-{n}"},
            }
            for n, line in enumerate(it.lines)
        ],
        "customFields": [],
    }


def job(source: str, number: int) -> str:
    """The order as a producer pushes it."""
    it = content(source, number)
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
            for n, line in enumerate(it.lines)
        ],
        "totals": {"shipping": f"{it.shipping / 100:.2f}", "grand": f"{(it.goods + it.shipping) / 100:.2f}"},
        "customer": {"email": it.email},
        "shipping_address": {
            "first_name": it.first,
            "last_name": it.last,
            "street1": it.street,
            "city": it.city,
            "postal_code": it.postcode,
            "country": "NL",
        },
    }
    return json.dumps({"v": 1, "provider": source, "order": order})


def hint(source: str, number: int) -> str:
    """The job that names an order, and no more."""
    return json.dumps({"v": 1, "provider": source, "external_id": str(number)})


def _cents(amount: Any) -> int:
    return round(float(amount) * 100)


def in_depot(body: dict[str, Any]) -> Content:
    """What Dropday was sent."""
    to = body["shipping_address"]
    lines = tuple(Line(p["name"], int(p["quantity"]), _cents(p["price"])) for p in body["products"])
    cost = _cents(body["shipping_cost"])
    found = Content(
        to["first_name"], to["last_name"], body["email"], to["address1"], to["city"], to["postcode"], cost, lines
    )
    if _cents(body["total"]) != found.goods + cost:
        raise ValueError("the total is not that of its lines")
    return found


def in_crm(order: dict[str, Any]) -> Content:
    """What RetailCRM was sent."""
    to = order["delivery"]["address"]
    lines = tuple(Line(i["productName"], int(i["quantity"]), _cents(i["initialPrice"])) for i in order["items"])
    cost = _cents(order["delivery"]["cost"])
    return Content(
        order["firstName"], order["lastName"], order["email"], to["text"], to["city"], to["index"], cost, lines
    )

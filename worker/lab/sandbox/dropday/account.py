"""One account of Dropday: its orders, one for each external id."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final
from zoneinfo import ZoneInfo

from worker.lab.sandbox import spec
from worker.lab.sandbox.system import Account
from worker.lab.sandbox.wire import dump, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.journal import Journal

_ADDRESS: Final = (
    "first_name", "last_name", "company_name", "phone", "address1", "address2", "city", "postcode", "state", "country",
)  # fmt: skip
_LINE: Final = (
    "external_id", "name", "ean13", "reference", "quantity", "stock_quantity", "price", "purchase_price", "brand",
    "category", "image_url", "custom",
)  # fmt: skip
_AS_TEXT: Final = frozenset({"external_id", "ean13", "phone", "reference"})


@dataclass(slots=True)
class Stored:
    """One order as it was posted; the form in which it is read is derived on reading."""

    number: int
    external_id: str
    test: bool
    total: float
    source: str
    created: float
    #: When lists start to show it (monotonic).
    listed_from: float
    posted: bytes
    status: str = "pending"
    updated: float = 0.0


class DropdayAccount(Account):
    """One account of Dropday.

    Options: `key`, `account_id`, `list_lag` (seconds until lists show a new order), `timezone` (of dates without an
    offset), and `dedupe=off`, which breaks a promise of the documents so that a test can see a duplicate.

    Options for what the documents leave open, the default first:

    - `duplicate_has_reference`: no, yes
    - `duplicate_scope`: `account`: a test order and a real one with the same external id are the same; `mode`: they
      are two
    - `paginator`: nested, flat
    - `filter`: of a list by `external_id`: `plain`: the id contains the text; `like`: as in SQL, where % and _ stand
      for other characters, a backslash is an escape, and case is ignored
    - `accept`: `strict`: callers that do not ask for JSON get a redirect instead of an error; loose
    """

    system: ClassVar[str] = "dropday"

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        super().__init__(name, options, journal)
        self.key = options.pop("key", "sandbox-key")
        self.account_id = options.pop("account_id", "sandbox-account")
        self.list_lag = float(options.pop("list_lag", "0"))
        self.zone = ZoneInfo(options.pop("timezone", "UTC"))
        self.duplicate_has_reference = spec.choice(options, "duplicate_has_reference", "no", "yes") == "yes"
        self.duplicate_scope = spec.choice(options, "duplicate_scope", "account", "mode")
        self.paginator = spec.choice(options, "paginator", "nested", "flat")
        self.filter = spec.choice(options, "filter", "plain", "like")
        self.strict_accept = spec.choice(options, "accept", "strict", "loose") == "strict"
        self._dedupe = spec.choice(options, "dedupe", "on", "off") == "on"
        self._orders: dict[int, Stored] = {}
        self._by_external: dict[tuple[bool, str], Stored] = {}
        self._last = 97

    def create(self, order: dict[str, Any], text: bytes) -> tuple[Stored, bool]:
        """Store a checked order unless its external id is taken; return the stored one and whether it is new."""
        earlier = self._by_external.get(self._key(str(order["external_id"]).strip(), test=bool(order.get("test"))))
        if earlier is not None and self._dedupe:
            return earlier, False
        return self._keep(order, text, time.time(), "created"), True

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that another client of the account posted."""
        order = _from_draft(draft)
        return str(self._keep(order, dump(order), time.time() if at is None else at, "added").number)

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order as if it had been posted and accepted."""
        return str(self._keep(order, dump(order), time.time(), "added").number)

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set posted fields or the `current_status` of all lines; or delete the order with `deleted`."""
        order = self.find(order_id)
        if order is None:
            return False
        if fields.get("deleted"):
            del self._orders[order.number]
            self._by_external.pop(self._key(order.external_id, test=order.test), None)
        else:
            order.status = fields.pop("current_status", order.status)
            order.updated = time.time()
            order.total = float(fields.get("total", order.total))
            order.posted = dump({**json.loads(order.posted), **fields})
        self._note_order("deleted" if fields.get("deleted") else "changed", order, by_person=True)
        return True

    def find(self, reference: str) -> Stored | None:
        """Return an order by its reference."""
        return self._orders.get(int(reference)) if reference.isdecimal() and reference.isascii() else None

    def newest_first(self, matches: Callable[[Stored], bool]) -> list[Stored]:
        """Return the matching orders that lists show by now."""
        now = time.monotonic()
        return [order for order in reversed(self._orders.values()) if order.listed_from <= now and matches(order)]

    def stored(self) -> Iterable[bytes]:
        """Yield all orders as lists show them, with what was `posted`."""
        for order in self._orders.values():
            yield dump({**as_listed(order), "posted": json.loads(order.posted)})

    def _key(self, external_id: str, *, test: bool) -> tuple[bool, str]:
        return test and self.duplicate_scope == "mode", external_id

    def _keep(self, order: dict[str, Any], text: bytes, created: float, did: str) -> Stored:
        self._last += 1
        external_id, test = str(order.get("external_id", "")).strip(), bool(order.get("test"))
        total, source = float(order.get("total") or 0), str(order.get("source"))
        listed_from = time.monotonic() + self.list_lag
        stored = Stored(self._last, external_id, test, total, source, created, listed_from, text, updated=created)
        self._orders[self._last] = stored
        self._by_external.setdefault(self._key(external_id, test=test), stored)
        self._note_order(did, stored)
        return stored

    def _note_order(self, did: str, order: Stored, *, by_person: bool = False) -> None:
        def read() -> dict[str, Any]:
            return {**json.loads(order.posted), "current_status": order.status}

        self._note(did, order.external_id, str(order.number), read, by_person=by_person)


def _from_draft(draft: Draft) -> dict[str, Any]:
    """Return an order that another client of the account posted."""
    money = draft.money
    return {
        "external_id": draft.external_id or draft.number,
        "source": "Sandbox shop",
        "total": money(draft.goods_total() - draft.discount + draft.shipping),
        "email": draft.email,
        "shipping_cost": money(draft.shipping),
        "shipping_address": {
            "first_name": draft.first_name,
            "last_name": draft.last_name or "-",
            "company_name": draft.company,
            "address1": f"{draft.street} {draft.building}",
            "address2": draft.flat,
            "postcode": draft.postcode or "-",
            "city": draft.city,
            "state": draft.region,
            "country": draft.country.name,
            "phone": draft.phone,
        },
        "products": [
            {
                "external_id": line.sku,
                "ean13": line.ean,
                "name": line.name,
                "reference": line.sku,
                "quantity": line.quantity,
                "price": money(line.price - line.discount),
                "brand": line.brand,
                "custom": line.options or None,
            }
            for line in draft.active_lines()
        ],
    }


def _as_text(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if key in _AS_TEXT and value is not None else value for key, value in fields.items()}


def as_listed(order: Stored) -> dict[str, Any]:
    """Return an order as a list shows it: names and types differ from those it was posted with."""
    posted = json.loads(order.posted)
    address, shipping = posted.get("shipping_address") or {}, posted.get("shipping") or {}
    address_fields = {key: address[key] for key in _ADDRESS if address.get(key) is not None}
    day = shipping.get("delivery_date")
    cost = shipping.get("cost", posted.get("shipping_cost"))
    products = posted.get("products") or []
    names = list(dict.fromkeys(p["supplier"] for p in products if p.get("supplier")))
    suppliers = [{"id": n, "name": name} for n, name in enumerate(names, 1)]
    return {
        "id": 1400 + order.number,
        "external_id": order.external_id,
        "reference": str(order.number),
        "source": posted.get("source"),
        "test": order.test,
        "blocked": bool(posted.get("blocked")),
        "total": order.total,
        "shipping_address": {"email": posted.get("email"), **_as_text(address_fields)},
        "shipping": {
            "cost": None if cost is None else float(cost),
            "name": shipping.get("name"),
            "description": shipping.get("description"),
            **({"note": shipping["note"]} if shipping.get("note") else {}),
            **({"delivery_date": "-".join(reversed(day.split("-")))} if day else {}),
        },
        "custom": posted.get("custom"),
        "order_lines": [_line(order, n, product, suppliers) for n, product in enumerate(products)],
        "suppliers": suppliers,
        "created_at": utc_text(order.created, "microseconds"),
        "updated_at": utc_text(order.updated, "microseconds"),
    }


def as_read(order: Stored) -> dict[str, Any]:
    """Return an order as read by its reference: with the log of each line."""
    read = as_listed(order)
    for line in read["order_lines"]:
        log = {"id": line["id"] * 10, "status": order.status, "message": "Order line stored"}
        line["logs"] = [{**log, "created_at": read["created_at"]}]
    return read


def _line(order: Stored, n: int, product: dict[str, Any], suppliers: list[dict[str, Any]]) -> dict[str, Any]:
    matched = next((s for s in suppliers if s["name"] == product.get("supplier")), None)
    fields = _as_text({key: product.get(key) for key in _LINE})
    # A product that was added with a status of its own keeps it.
    status = product.get("current_status", order.status)
    return {"id": order.number * 1000 + n, **fields, "current_status": status, "matched_supplier": matched}

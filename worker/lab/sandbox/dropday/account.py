"""One account of Dropday: its orders, each external id once."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from worker.lab.sandbox import essence, spec
from worker.lab.sandbox.system import Account, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.orders import Draft

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
    """One order as it was posted; what it looks like when read is worked out when it is read."""

    number: int
    external_id: str
    test: bool
    total: float
    source: str
    created: float
    #: When lists begin to show it (monotonic).
    listed_from: float
    posted: bytes
    status: str = "pending"
    updated: float = 0.0


class DropdayAccount(Account):
    """Options: `key`, `account_id`, `list_lag` (seconds until a new order is in lists), `timezone` (of naive dates).

    Readings of what no document settles: `duplicate_has_reference` (no, yes), `duplicate_scope` (`account`: a test
    order and a real one with the same external id are the same; `mode`: they are two), `paginator` (nested, flat),
    `accept` (`strict`: an error goes out as a redirect to callers that do not ask for JSON; loose). And `dedupe=off`,
    which breaks a promise of the documents, so that a test can see a double.
    """

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        self.name, self._journal = name, journal
        self.prefix = options.pop("prefix", f"{name.upper()}-")
        self.key = options.pop("key", "sandbox-key")
        self.account_id = options.pop("account_id", "sandbox-account")
        self.list_lag = float(options.pop("list_lag", "0"))
        self.zone = ZoneInfo(options.pop("timezone", "UTC"))
        self.duplicate_has_reference = spec.choice(options, "duplicate_has_reference", "no", "yes") == "yes"
        self.duplicate_scope = spec.choice(options, "duplicate_scope", "account", "mode")
        self.paginator = spec.choice(options, "paginator", "nested", "flat")
        self.strict_accept = spec.choice(options, "accept", "strict", "loose") == "strict"
        self._dedupe = spec.choice(options, "dedupe", "on", "off") == "on"
        self._orders: dict[int, Stored] = {}
        self._by_external: dict[tuple[bool, str], Stored] = {}
        self._last = 97

    def create(self, order: dict[str, Any], text: bytes) -> tuple[Stored, bool]:
        """Store a checked order; (the order, whether it is new). The check and the write are one step."""
        external_id = str(order["external_id"]).strip()
        test = bool(order.get("test"))
        known = self._by_external.get(self._scope(external_id, test=test))
        if known is not None and self._dedupe:
            return known, False
        return self._keep(order, text, external_id, test, time.time(), "created"), True

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that another client of the account posted."""
        order = _from_draft(draft)
        created = time.time() if at is None else at
        return str(self._keep(order, dump(order), order["external_id"], False, created, "added").number)

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order as if it had been posted and taken."""
        external_id, test = str(order.get("external_id", "")), bool(order.get("test"))
        return str(self._keep(order, dump(order), external_id, test, time.time(), "added").number)

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set posted fields or the `current_status` of all lines; or `deleted`."""
        found = self.find(order_id)
        if found is None:
            return False
        if fields.get("deleted"):
            del self._orders[found.number]
            self._by_external.pop(self._scope(found.external_id, test=found.test), None)
        else:
            found.status = fields.pop("current_status", found.status)
            found.updated = time.time()
            found.total = float(fields.get("total", found.total))
            found.posted = dump({**json.loads(found.posted), **fields})
        did = "deleted" if fields.get("deleted") else "changed"
        self._note(did, found)
        return True

    def find(self, reference: str) -> Stored | None:
        """One order by its reference."""
        return self._orders.get(int(reference)) if reference.isdecimal() and reference.isascii() else None

    def newest_first(self, want: Callable[[Stored], bool]) -> list[Stored]:
        """The orders that lists show and that are wanted."""
        now = time.monotonic()
        return [order for order in reversed(self._orders.values()) if order.listed_from <= now and want(order)]

    def count(self) -> int:
        """How many orders there are, doubles included."""
        return len(self._orders)

    def stored(self) -> Iterable[bytes]:
        """What is shown when an order is read, with what was `posted`."""
        for order in self._orders.values():
            yield dump({**shown(order), "posted": json.loads(order.posted)})

    def _scope(self, external_id: str, *, test: bool) -> tuple[bool, str]:
        return test and self.duplicate_scope == "mode", external_id

    def _keep(  # noqa: PLR0913, PLR0917  # the columns of an order
        self,
        order: dict[str, Any],
        text: bytes,
        external_id: str,
        test: bool,  # noqa: FBT001  # the wire's own field
        created: float,
        did: str,
    ) -> Stored:
        self._last += 1
        total, source = float(order.get("total") or 0), str(order.get("source"))
        listed_from = time.monotonic() + self.list_lag
        stored = Stored(self._last, external_id, test, total, source, created, listed_from, text, updated=created)
        self._orders[self._last] = stored
        self._by_external.setdefault(self._scope(external_id, test=test), stored)
        self._note(did, stored)
        return stored

    def _note(self, did: str, order: Stored) -> None:
        def said() -> Mapping[str, str]:
            return essence.dropday(json.loads(order.posted))

        self._journal.effect("dropday", self.name, did, order.external_id, str(order.number), said)


def _from_draft(draft: Draft) -> dict[str, Any]:
    """An order that another client of the account posted."""
    money = draft.money
    return {
        "external_id": draft.external_id or draft.number,
        "source": "Sandbox shop",
        "total": money(draft.goods() - draft.discount + draft.shipping),
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
                "external_id": n.sku,
                "ean13": n.ean,
                "name": n.name,
                "reference": n.sku,
                "quantity": n.quantity,
                "price": money(n.price - n.discount),
                "brand": n.brand,
                "custom": n.options or None,
            }
            for n in draft.lines
            if not n.cancelled
        ],
    }


def _utc(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _texts(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if key in _AS_TEXT and value is not None else value for key, value in fields.items()}


def shown(order: Stored) -> dict[str, Any]:
    """The order as a list shows it: other names and types than it was posted with."""
    posted = json.loads(order.posted)
    address, shipping = posted.get("shipping_address") or {}, posted.get("shipping") or {}
    given = {key: address[key] for key in _ADDRESS if address.get(key) is not None}
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
        "blocked": False,
        "total": order.total,
        "shipping_address": {"email": posted.get("email"), **_texts(given)},
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
        "created_at": _utc(order.created),
        "updated_at": _utc(order.updated),
    }


def shown_alone(order: Stored) -> dict[str, Any]:
    """The order as it is got by its reference: with the log of each line."""
    alone = shown(order)
    for line in alone["order_lines"]:
        line["logs"] = [
            {
                "id": line["id"] * 10,
                "status": order.status,
                "message": "Order line stored",
                "created_at": alone["created_at"],
            }
        ]
    return alone


def _line(order: Stored, n: int, product: dict[str, Any], suppliers: list[dict[str, Any]]) -> dict[str, Any]:
    matched = next((s for s in suppliers if s["name"] == product.get("supplier")), None)
    fields = _texts({key: product.get(key) for key in _LINE})
    return {"id": order.number * 1000 + n, **fields, "current_status": order.status, "matched_supplier": matched}

"""One marketplace of OrderCloud: its orders, their lines, and the index that lists are read from."""

from __future__ import annotations

import heapq
import itertools
import random
import time
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox import essence, spec
from worker.lab.sandbox.ordercloud import shape
from worker.lab.sandbox.ordercloud.tokens import Tokens
from worker.lab.sandbox.ordercloud.webhooks import Hooks
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, missing, moment, now, written
from worker.lab.sandbox.system import Account

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.orders import Draft

#: The date that goes with a status.
DATES: Final = {
    "AwaitingApproval": None, "Open": "DateSubmitted", "Declined": "DateDeclined", "Canceled": "DateCanceled",
    "Completed": "DateCompleted", "Unsubmitted": None,
}  # fmt: skip


@dataclass(slots=True)
class Stored:
    """One order as it is now."""

    direction: str
    doc: dict[str, Any]
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What `shipto` set; later lines have it too.
    ship_to: dict[str, Any] | None = None
    #: As it is read, and as the index shows it once it caught up.
    row: Row = field(init=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One order as it was at one of its writes."""

    direction: str
    doc: dict[str, Any]
    text: bytes


class OrderCloudAccount(Account):
    """A marketplace.

    Options, besides those of `Tokens` and `Hooks`: `list_lag` (seconds until a list shows a write, `2` or, anew for
    each write, `0.5-3`), `cap` (a list of more orders is refused), `products`, `buyers` (known ones, joined by +, or
    all), `currency` (of orders made by the API; empty: none), `digits` (of the second in `LastUpdated`: 7, 3, 0),
    `carts` (every so-manieth made-up order is not submitted), `retry_after` (seconds that a 429 tells; empty: none).

    Readings of what no document settles: `search` (`premium`: an index that lags and holds submitted orders unless
    asked; classic), `cap_on` (`count`: of what was found; `page`: of the rows up to the page's end), `put_create` (200,
    201), `conflict` (the code of a 409), `product` (what an unknown one gets: `NotFound`, `seller`), `shipto` (`kept`:
    lines added later have the address too; lines), `ids` (`text`; `numeric`: filters on IDs compare numbers while
    sorting does not), `cancel_open` (yes, no), `approval` (no; yes: a submitted order awaits approval first).
    """

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        self.name, self._journal = name, journal
        self.prefix = options.pop("prefix", f"{name.upper()}-")
        self.tokens, self.hooks = Tokens(options), Hooks(options)
        low, _, high = options.pop("list_lag", "0").partition("-")
        self._lag = float(low), float(high or low)
        self.cap = int(options.pop("cap", "100000"))
        self.products, self.buyers = (_known(options.pop(name, "all")) for name in ("products", "buyers"))
        self.currency = options.pop("currency", "USD") or None
        self._step = 10 ** (7 - int(spec.choice(options, "digits", "7", "3", "0")))
        self._carts = int(options.pop("carts", "0"))
        self.retry_after = options.pop("retry_after", "")
        self.premium = spec.choice(options, "search", "premium", "classic") == "premium"
        self.cap_on = spec.choice(options, "cap_on", "count", "page")
        self.put_create = int(spec.choice(options, "put_create", "200", "201"))
        self.conflict = options.pop("conflict", "IdExists")
        self.unknown_product = spec.choice(options, "product", "NotFound", "seller")
        self.shipto_kept = spec.choice(options, "shipto", "kept", "lines") == "kept"
        self.numeric = frozenset({"ID"} if spec.choice(options, "ids", "text", "numeric") == "numeric" else ())
        self.cancel_open = spec.choice(options, "cancel_open", "yes", "no") == "yes"
        self.approval = spec.choice(options, "approval", "no", "yes") == "yes"
        self._orders: dict[str, Stored] = {}
        self._index: dict[str, Row] = {}
        self._due: list[tuple[float, int, str, Row | None]] = []
        self._newest: dict[str, int] = {}
        self._writes = itertools.count(1)
        self._chance = random.Random(name)

    # --- what the API does ---

    def find(self, direction: str, key: str) -> Stored:
        """One order as it is now. Raises RefusedError."""
        found = self._orders.get(key)
        if found is None or direction not in {"all", found.direction}:
            raise missing("Order", key)
        return found

    def has(self, key: str) -> bool:
        """Whether an ID is taken."""
        return key in self._orders

    def listed(self, direction: str) -> list[Row]:
        """What lists show now."""
        if not self.premium:
            rows: Iterable[Row] = (order.row for order in self._orders.values())
        else:
            while self._due and self._due[0][0] <= time.monotonic():
                _, write, key, row = heapq.heappop(self._due)
                self._show(write, key, row)
            rows = self._index.values()
        return [row for row in rows if direction in {"all", row.direction}]

    def create(self, direction: str, fields: dict[str, Any]) -> Stored:
        """Begin an order. Raises RefusedError with 409 if its ID is taken."""
        key = fields.get("ID") or self.new_id()
        if key in self._orders:
            raise self.taken("Order", key)
        company, buyer = fields.get("FromCompanyID"), fields.get("FromUserID")
        start: dict[str, Any] = {"DateCreated": written(now()), "Currency": self.currency, "FromUser": None}
        if company and buyer:
            start["FromUser"] = shape.user(buyer, company)
        made = Stored(direction, shape.order({**start, **fields, "ID": key}))
        self._orders[key] = made
        self.save(made, "drafted")
        return made

    def rename(self, order: Stored, key: str) -> None:
        """Give an order another ID. Raises RefusedError with 409 if it is taken."""
        old = order.doc["ID"]
        if key in self._orders and key != old:
            raise self.taken("Order", key)
        self._orders[key] = self._orders.pop(old)
        order.doc["ID"] = key
        if key != old:
            self._enqueue(old, None)

    def remove(self, order: Stored) -> None:
        """Delete an order."""
        key = order.doc["ID"]
        del self._orders[key]
        self._enqueue(key, None)
        self._note(order, "deleted")

    def save(self, order: Stored, did: str = "changed", at: int | None = None) -> None:
        """Note a write: the sums, `LastUpdated`, what reads show from now on, and what lists will show."""
        shape.reckon(order.doc, order.lines.values())
        when = now() if at is None else at
        order.doc["LastUpdated"] = written(when - when % self._step)
        doc = dict(order.doc)
        order.row = Row(order.direction, doc, dump(doc))
        self._enqueue(doc["ID"], order.row, at_once=at is not None)
        if did != "changed" or doc["IsSubmitted"]:
            self._note(order, did)

    def _note(self, order: Stored, did: str) -> None:
        def said() -> Mapping[str, str]:
            return essence.ordercloud({**order.doc, "LineItems": order.lines.values()})

        key = order.doc["ID"]
        self._journal.effect("ordercloud", self.name, did, key, key, said)

    def taken(self, kind: str, key: str) -> RefusedError:
        """The 409; the text of its code is not documented."""
        return RefusedError(409, self.conflict, "Object already exists.", {"ObjectType": kind, "ObjectID": key})

    @staticmethod
    def new_id() -> str:
        """An ID as the server makes them."""
        return uuid.uuid4().hex[:22]

    # --- what the sandbox does ---

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that a buyer submitted in a storefront."""
        doc, lines = shape.from_draft(draft)
        if self._carts and (len(self._orders) + 1) % self._carts == 0:
            doc |= {"Status": "Unsubmitted", "IsSubmitted": False, "DateSubmitted": None, "DateCanceled": None}
        return self._add(doc, lines, None if at is None else int(at) * 10_000_000)

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order of the given fields, with its `LineItems`, over those of a submitted one."""
        at = written(now())
        start = {"FromCompanyID": "storefront", "FromUserID": "buyer", "FromUser": shape.user("buyer", "storefront")}
        dates = {"DateCreated": at, "DateSubmitted": at, "IsSubmitted": True, "Status": "Open"}
        lines = [shape.line(_exact({"ID": f"L{n}", **each})) for n, each in enumerate(order.get("LineItems") or [], 1)]
        return self._add({**start, **dates, "Currency": self.currency, **_exact(order)}, lines, None)

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set fields, `LineItems` and all; a new `Status` takes its date along; or `deleted`."""
        found = self._orders.get(order_id)
        if found is None:
            return False
        if fields.pop("deleted", False):
            self.remove(found)
            return True
        was, lines = found.doc["IsSubmitted"], fields.pop("LineItems", None)
        if lines is not None:
            found.lines = {
                each["ID"]: shape.line(_exact({**found.lines.get(each["ID"], {}), **each})) for each in lines
            }
        found.doc |= {name: value for name, value in _exact(fields).items() if name in found.doc}
        if "Status" in fields:
            self.move(found, fields["Status"])
        self.save(found, "changed" if was or not found.doc["IsSubmitted"] else "added")
        return True

    def stored(self) -> Iterable[bytes]:
        """All orders as they are, each with its `LineItems`."""
        return (dump({**order.row.doc, "LineItems": list(order.lines.values())}) for order in self._orders.values())

    def count(self) -> int:
        """How many orders there are."""
        return len(self._orders)

    @staticmethod
    def move(order: Stored, status: str) -> None:
        """Give an order a status with its date."""
        order.doc["Status"] = status
        if name := DATES.get(status):
            order.doc[name] = written(now())
        if status == "Open":
            order.doc["IsSubmitted"] = True

    def _add(self, doc: dict[str, Any], lines: list[dict[str, Any]], at: int | None) -> str:
        key = doc.get("ID") or self.new_id()
        made = Stored("incoming", shape.order({**doc, "ID": key}), {each["ID"]: each for each in lines})
        self._orders[key] = made
        if "LastUpdated" in doc:
            at = moment(doc["LastUpdated"])
        self.save(made, "added" if made.doc["IsSubmitted"] else "drafted", at)
        if at is None and made.doc["IsSubmitted"]:
            params = {"direction": "Outgoing", "orderID": key}
            self.hooks.fire("v1/orders/{direction}/{orderID}/submit", "POST", params, b"", made.row.text, None, "")
        return str(key)

    # --- the index ---

    def _enqueue(self, key: str, row: Row | None, *, at_once: bool = False) -> None:
        write, lag = next(self._writes), 0.0 if at_once else self._chance.uniform(*self._lag)
        if lag:
            heapq.heappush(self._due, (time.monotonic() + lag, write, key, row))
        else:
            self._show(write, key, row)

    def _show(self, write: int, key: str, row: Row | None) -> None:
        """An older write that comes late does not undo a newer one."""
        if write < self._newest.get(key, 0):
            return
        self._newest[key] = write
        if row is None:
            self._index.pop(key, None)
        else:
            self._index[key] = row


def _known(text: str) -> frozenset[str] | None:
    return None if text == "all" else frozenset(text.split("+"))


def _exact(fields: dict[str, Any]) -> dict[str, Any]:
    """The same without floats."""
    return {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in fields.items()}

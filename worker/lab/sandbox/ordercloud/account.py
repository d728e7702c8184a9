"""One marketplace of OrderCloud: its orders, their lines, and the index that lists read."""

from __future__ import annotations

import heapq
import itertools
import random
import time
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final

from worker.lab.sandbox import spec
from worker.lab.sandbox.ordercloud import shape
from worker.lab.sandbox.ordercloud.tokens import Tokens
from worker.lab.sandbox.ordercloud.webhooks import Webhooks
from worker.lab.sandbox.ordercloud.wire import TICKS, RefusedError, dump, missing, moment, now, written
from worker.lab.sandbox.system import Account

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.journal import Journal

#: The date that is set with a status.
DATES: Final = {
    "AwaitingApproval": None, "Open": "DateSubmitted", "Declined": "DateDeclined", "Canceled": "DateCanceled",
    "Completed": "DateCompleted", "Unsubmitted": None,
}  # fmt: skip


@dataclass(slots=True)
class Stored:
    """One order in its current state."""

    direction: str
    doc: dict[str, Any]
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The address set by `shipto`, which lines added later have too.
    ship_to: dict[str, Any] | None = None
    #: The promotions that were applied, and the payments: lists of their own.
    promotions: list[dict[str, Any]] = field(default_factory=list)
    payments: list[dict[str, Any]] = field(default_factory=list)
    #: The order as it is read, and as the index shows it once it has caught up.
    row: Row = field(init=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One order as it was after one of its writes."""

    direction: str
    doc: dict[str, Any]
    text: bytes


class OrderCloudAccount(Account):
    """One marketplace.

    Options, in addition to those of `Tokens` and `Webhooks`: `list_lag` (seconds until a list shows a write: `2`, or
    `0.5-3` for a random number per write), `cap` (a list of more orders is refused), `products`, `buyers` and `users`
    (those that exist, joined by +, or all), `currency` (of orders created by the API; empty: none), `digits` (of the
    second in `LastUpdated`: 7, 3, 0), `carts=N` (every Nth made-up order is not submitted), `retry_after` (seconds,
    sent with a 429; empty: none).

    Options for what the documents leave open, the default first:

    - `search`: `premium`: an index that lags and shows submitted orders unless others are requested; classic
    - `cap_on`: the `count` of all matching orders, or of those up to the end of the `page`
    - `put_create`: the status of a PUT that creates (200, 201)
    - `conflict`: the error code of a 409 (IdExists, or any other)
    - `product`: the error for an unknown product (`NotFound`, `seller`)
    - `shipto`: `kept`: lines added later have the address too; lines
    - `ids`: `text`; `numeric`: filters on IDs compare numbers although sorting does not
    - `cancel_open`: yes, no
    - `approval`: no; yes: a submitted order must be approved first
    """

    system: ClassVar[str] = "ordercloud"

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        super().__init__(name, options, journal)
        self.tokens, self.webhooks = Tokens(options), Webhooks(options)
        low, _, high = options.pop("list_lag", "0").partition("-")
        self._lag = float(low), float(high or low)
        self.cap = int(options.pop("cap", "100000"))
        self.products, self.buyers, self.users = (
            _names(options.pop(field, "all")) for field in ("products", "buyers", "users")
        )
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
        #: Writes that the index does not show yet: when it will, number of the write, ID, order (None: deleted).
        self._due: list[tuple[float, int, str, Row | None]] = []
        #: The newest write that the index shows, by ID.
        self._newest: dict[str, int] = {}
        self._writes = itertools.count(1)
        self._rng = random.Random(name)

    # --- changes by the API ---

    def find(self, direction: str, key: str) -> Stored:
        """Return an order in its current state. Raise RefusedError if there is none."""
        order = self._orders.get(key)
        if order is None or direction not in {"all", order.direction}:
            raise missing("Order", key)
        return order

    def has(self, key: str) -> bool:
        """Return whether an ID is taken."""
        return key in self._orders

    def listed(self, direction: str) -> list[Row]:
        """Return the orders that lists show now."""
        if not self.premium:
            rows: Iterable[Row] = (order.row for order in self._orders.values())
        else:
            while self._due and self._due[0][0] <= time.monotonic():
                _, write, key, row = heapq.heappop(self._due)
                self._show(write, key, row)
            rows = self._index.values()
        return [row for row in rows if direction in {"all", row.direction}]

    def create(self, direction: str, fields: dict[str, Any]) -> Stored:
        """Create an order without lines. Raise RefusedError with 409 if its ID is taken."""
        key = fields.get("ID") or self.new_id()
        if key in self._orders:
            raise self.taken("Order", key)
        company, buyer = fields.get("FromCompanyID"), fields.get("FromUserID")
        start: dict[str, Any] = {"DateCreated": written(now()), "Currency": self.currency, "FromUser": None}
        if company and buyer:
            start["FromUser"] = shape.user(buyer, company)
        order = self._orders[key] = Stored(direction, shape.order({**start, **fields, "ID": key}))
        self.save(order, "drafted")
        return order

    def rename(self, order: Stored, key: str) -> None:
        """Give an order another ID. Raise RefusedError with 409 if it is taken."""
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
        self._note_order(order, "deleted")

    def save(self, order: Stored, did: str = "changed", at: int | None = None, *, by_person: bool = False) -> None:
        """Apply a write: update the sums and `LastUpdated`; reads show it from now on, lists when the index does."""
        shape.update_sums(order.doc, order.lines.values())
        when = now() if at is None else at
        order.doc["LastUpdated"] = written(when - when % self._step)
        doc = dict(order.doc)
        order.row = Row(order.direction, doc, dump(doc))
        self._enqueue(doc["ID"], order.row, at_once=at is not None)
        if did != "changed" or doc["IsSubmitted"]:
            self._note_order(order, did, by_person=by_person)

    def _note_order(self, order: Stored, did: str, *, by_person: bool = False) -> None:
        key = order.doc["ID"]
        self._note(did, key, key, lambda: {**order.doc, "LineItems": order.lines.values()}, by_person=by_person)

    def taken(self, kind: str, key: str) -> RefusedError:
        """Return a 409; the text of its code is not documented."""
        return RefusedError(409, self.conflict, "Object already exists.", {"ObjectType": kind, "ObjectID": key})

    @staticmethod
    def new_id() -> str:
        """Make an ID as the server does."""
        return uuid.uuid4().hex[:22]

    # --- changes by the simulator ---

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that a buyer submitted in a storefront."""
        doc, lines = shape.from_draft(draft)
        if self._carts and (len(self._orders) + 1) % self._carts == 0:
            doc |= {"Status": "Unsubmitted", "IsSubmitted": False, "DateSubmitted": None, "DateCanceled": None}
        return self._add(doc, lines, None if at is None else int(at) * TICKS)

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order of these fields over those of a submitted one, with its `LineItems`.

        Its `OrderPromotions` and `Payments` are lists of their own.
        """
        at = written(now())
        start = {"FromCompanyID": "storefront", "FromUserID": "buyer", "FromUser": shape.user("buyer", "storefront")}
        dates = {"DateCreated": at, "DateSubmitted": at, "IsSubmitted": True, "Status": "Open"}
        items = [_exact({"ID": f"L{n}", **line}) for n, line in enumerate(order.get("LineItems") or [], 1)]
        lines = [shape.line(item, keep_subtotal="LineSubtotal" in item) for item in items]
        key = self._add({**start, **dates, "Currency": self.currency, **_exact(order)}, lines, None)
        stored = self._orders[key]
        stored.promotions = [_exact(each) for each in order.get("OrderPromotions") or []]
        stored.payments = [_exact(each) for each in order.get("Payments") or []]
        return key

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set fields, `LineItems` included, and a new `Status` with its date; or delete the order with `deleted`."""
        order = self._orders.get(order_id)
        if order is None:
            return False
        if fields.pop("deleted", False):
            self.remove(order)
            return True
        was_submitted, lines = order.doc["IsSubmitted"], fields.pop("LineItems", None)
        if lines is not None:
            order.lines = {
                line["ID"]: shape.line(
                    _exact({**order.lines.get(line["ID"], {}), **line}), keep_subtotal="LineSubtotal" in line
                )
                for line in lines
            }
        order.doc |= {name: value for name, value in _exact(fields).items() if name in order.doc}
        if "Status" in fields:
            self.move(order, fields["Status"])
        self.save(order, "changed" if was_submitted or not order.doc["IsSubmitted"] else "added", by_person=True)
        return True

    def stored(self) -> Iterable[bytes]:
        """Return all orders in their current state, each with its `LineItems`."""
        return (dump({**order.row.doc, "LineItems": list(order.lines.values())}) for order in self._orders.values())

    @staticmethod
    def move(order: Stored, status: str) -> None:
        """Set the status of an order, with its date."""
        order.doc["Status"] = status
        if name := DATES.get(status):
            order.doc[name] = written(now())
        if status == "Open":
            order.doc["IsSubmitted"] = True

    def _add(self, doc: dict[str, Any], lines: list[dict[str, Any]], at: int | None) -> str:
        key = doc.get("ID") or self.new_id()
        order = Stored("incoming", shape.order({**doc, "ID": key}), {line["ID"]: line for line in lines})
        self._orders[key] = order
        if "LastUpdated" in doc:
            at = moment(doc["LastUpdated"])
        self.save(order, "added" if order.doc["IsSubmitted"] else "drafted", at)
        if at is None and order.doc["IsSubmitted"]:
            params = {"direction": "Outgoing", "orderID": key}
            route = "v1/orders/{direction}/{orderID}/submit"
            self.webhooks.fire(route, "POST", params, b"", order.row.text, None, "")
        return str(key)

    # --- the index ---

    def _enqueue(self, key: str, row: Row | None, *, at_once: bool = False) -> None:
        write, lag = next(self._writes), 0.0 if at_once else self._rng.uniform(*self._lag)
        if lag:
            heapq.heappush(self._due, (time.monotonic() + lag, write, key, row))
        else:
            self._show(write, key, row)

    def _show(self, write: int, key: str, row: Row | None) -> None:
        """Show a write in the index, unless a newer one of the same order is already shown."""
        if write < self._newest.get(key, 0):
            return
        self._newest[key] = write
        if row is None:
            self._index.pop(key, None)
        else:
            self._index[key] = row


def _names(text: str) -> frozenset[str] | None:
    return None if text == "all" else frozenset(text.split("+"))


def _exact(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with every float as a Decimal."""
    return {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in fields.items()}

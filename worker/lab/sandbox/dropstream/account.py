"""One account of DropStream: its orders, the tokens it issued, and its open sessions."""

from __future__ import annotations

import json
import time
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from worker.lab.sandbox import spec
from worker.lab.sandbox.dropstream import shape
from worker.lab.sandbox.system import Account
from worker.lab.sandbox.wire import dump, json_web_token, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.journal import Journal


@dataclass(slots=True)
class Stored:
    """One order: the fields that filters use, with times in seconds since 1970, and its text."""

    id: int
    store_id: int
    external_id: str
    display_id: str
    state: str
    ordered: float
    created: float
    text: bytes


@dataclass(slots=True)
class Session:
    """A list that is read page by page, strictly forward."""

    limit: int
    matches: Callable[[Stored], bool]
    #: The orders left to show, or None for a list by ascending id, which also shows orders that arrive meanwhile.
    remaining: list[Stored] | None
    #: The time of the last call (monotonic).
    used: float
    page: int = 0
    last_id: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class DropstreamAccount(Account):
    """One account of DropStream.

    Options: `user`, `key` (the password), `token_life`, `session_life` (seconds), `cap` (the most orders that pages by
    number show), `stores` (joined by +).

    Options for what the documents leave open, the default first:

    - `money`: strings, numbers
    - `bounds`: of time filters: `exclusive` ("after" taken literally), inclusive
    - `quantity`: of an item: present, absent
    - `over_limit`: `clamp` a limit above 1000 to 1000, or refuse it
    - `expired`: the status of a call to an ended session (404, 400, 401, 403, 410, 422, 500)
    """

    system: ClassVar[str] = "dropstream"

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        super().__init__(name, options, journal)
        self.user, self.password = options.pop("user", "sandbox-user"), options.pop("key", "sandbox-key")
        self.token_life = float(options.pop("token_life", "3600"))
        self.session_life = float(options.pop("session_life", "60"))
        self.cap = int(options.pop("cap", "10000"))
        self.stores = [int(store) for store in options.pop("stores", "12").split("+")]
        self.money = spec.choice(options, "money", "strings", "numbers")
        self.inclusive = spec.choice(options, "bounds", "exclusive", "inclusive") == "inclusive"
        self.quantity = spec.choice(options, "quantity", "present", "absent")
        self.over_limit = spec.choice(options, "over_limit", "clamp", "refuse")
        self.expired = int(spec.choice(options, "expired", "404", "400", "401", "403", "410", "422", "500"))
        self.tokens: dict[str, float] = {}
        self.sessions: dict[str, Session] = {}
        self._orders: list[Stored] = []
        self._last = 90_000

    def new_token(self) -> str:
        """Issue a JWT that states when it ends."""
        now = time.time()
        token = json_web_token({"sub": self.user, "iat": int(now), "exp": int(now + self.token_life)})
        self.tokens[token] = now + self.token_life
        return token

    def is_valid(self, token: str) -> bool:
        """Return whether a token was issued and is neither expired nor revoked."""
        return self.tokens.get(token, 0.0) > time.time()

    def open_session(self, limit: int, matches: Callable[[Stored], bool], remaining: list[Stored] | None) -> Session:
        """Open a session for a list."""
        session = Session(limit, matches, remaining, time.monotonic())
        self.sessions[session.id] = session
        return session

    def session(self, session_id: str) -> Session | None:
        """Return an open session; each call starts its lifetime anew."""
        now = time.monotonic()
        self.sessions = {key: value for key, value in self.sessions.items() if now - value.used < self.session_life}
        if (session := self.sessions.get(session_id)) is not None:
            session.used = now
        return session

    def next_page(self, session: Session) -> list[Stored]:
        """Return the next orders of a session; none is ever shown twice."""
        session.page += 1
        if session.remaining is not None:
            page, session.remaining = session.remaining[: session.limit], session.remaining[session.limit :]
            return page
        start = bisect_right(self._orders, session.last_id, key=lambda order: order.id)
        page = list(islice(filter(session.matches, islice(self._orders, start, None)), session.limit))
        session.last_id = page[-1].id if page else session.last_id
        return page

    def matching(self, matches: Callable[[Stored], bool], key: Callable[[Stored], Any] | None) -> list[Stored]:
        """Return all matching orders, sorted by `key` or else by ascending id."""
        found = filter(matches, self._orders)
        return sorted(found, key=key) if key else list(found)

    def find(self, order_id: str) -> Stored | None:
        """Return an order by its id."""
        return next((order for order in self._orders if str(order.id) == order_id), None)

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that the adapter of a sales channel imported."""
        created = time.time() if at is None else at
        self._last += 1
        return self._keep(shape.from_draft(draft, self._last, self.stores[draft.created % len(self.stores)], created))

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order of these fields over a few that every order has."""
        self._last += 1
        now = utc_text(time.time())
        base = {"store_id": self.stores[0], "external_id": str(self._last), "fulfillment_state": "pending_shipment"}
        return self._keep({"id": self._last, **base, "ordered_at": now, "created_at": now, "order_items": [], **order})

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set fields as a user would, a new state with its time; or delete the order with `deleted`."""
        order = self.find(order_id)
        if order is None:
            return False
        if fields.pop("deleted", False):
            self._orders.remove(order)
            self._note_order("deleted", order, by_person=True)
            return True
        times = {"fulfillment_transitioned_at": utc_text(time.time())} if "fulfillment_state" in fields else {}
        self._orders[self._orders.index(order)] = changed = _read({**json.loads(order.text), **times, **fields})
        self._note_order("changed", changed, by_person=True)
        return True

    def stored(self) -> Iterable[bytes]:
        """Return all orders as they are read by id."""
        return (order.text for order in self._orders)

    def _keep(self, order: dict[str, Any]) -> str:
        if self.quantity == "absent":
            order["order_items"] = [{k: v for k, v in item.items() if k != "quantity"} for item in order["order_items"]]
        stored = _read(shape.numbers(order) if self.money == "numbers" else order)
        self._orders.append(stored)
        self._note_order("added", stored)
        return str(stored.id)

    def _note_order(self, did: str, order: Stored, *, by_person: bool = False) -> None:
        self._note(did, order.external_id, str(order.id), lambda: json.loads(order.text), by_person=by_person)


def _read(order: dict[str, Any]) -> Stored:
    ordered, created = (datetime.fromisoformat(order[name]).timestamp() for name in ("ordered_at", "created_at"))
    display = str(order.get("external_display_id"))
    ids = int(order["id"]), int(order["store_id"]), str(order["external_id"]), display, order["fulfillment_state"]
    return Stored(*ids, ordered, created, dump(order))

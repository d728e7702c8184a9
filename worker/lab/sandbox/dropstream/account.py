"""One account of DropStream: its orders, the tokens it gave out, the sessions that are open."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox import essence, spec
from worker.lab.sandbox.dropstream import shape
from worker.lab.sandbox.system import Account, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.orders import Draft

_SIGNED_WITH: Final = b"sandbox"


@dataclass(slots=True)
class Stored:
    """One order: what it is found by, times in seconds since 1970, and its text."""

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
    """A walk through a list, strictly forward."""

    limit: int
    want: Callable[[Stored], bool]
    #: What is left to show, or None where the walk goes by ascending id and sees what arrives meanwhile.
    rest: list[Stored] | None
    #: Monotonic.
    used: float
    page: int = 0
    last_id: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class DropstreamAccount(Account):
    """Options: `user`, `key` (the password), `token_life`, `session_life` (seconds), `cap` (of page mode), `stores`.

    Readings of what no document settles: `money` (strings, numbers), `bounds` (`exclusive`: "after" is meant as it
    says; inclusive), `quantity` (present, absent), `over_limit` (`clamp`: a limit above 1000 is 1000; refuse),
    `expired` (the status of a call to an ended session).
    """

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        self.name, self._journal = name, journal
        self.prefix = options.pop("prefix", f"{name.upper()}-")
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
        """A JWT that says when it ends."""
        now = time.time()
        claims = {"sub": self.user, "iat": int(now), "exp": int(now + self.token_life), "jti": str(uuid.uuid4())}
        head = b".".join(map(_base64, (dump({"alg": "HS256", "typ": "JWT"}), dump(claims))))
        token = (head + b"." + _base64(hmac.digest(_SIGNED_WITH, head, hashlib.sha256))).decode()
        self.tokens[token] = now + self.token_life
        return token

    def knows(self, token: str) -> bool:
        """Whether a token was given out, and is neither over nor revoked."""
        return self.tokens.get(token, 0.0) > time.time()

    def open_session(self, limit: int, want: Callable[[Stored], bool], rest: list[Stored] | None) -> Session:
        """Begin a walk."""
        session = Session(limit, want, rest, time.monotonic())
        self.sessions[session.id] = session
        return session

    def session(self, session_id: str) -> Session | None:
        """An open session; each call to it gives it its whole life again."""
        now = time.monotonic()
        self.sessions = {key: each for key, each in self.sessions.items() if now - each.used < self.session_life}
        if (found := self.sessions.get(session_id)) is not None:
            found.used = now
        return found

    def next_page(self, session: Session) -> list[Stored]:
        """The next orders of a walk; what was shown is never shown again."""
        session.page += 1
        if session.rest is not None:
            page, session.rest = session.rest[: session.limit], session.rest[session.limit :]
            return page
        page = []
        for n in range(bisect_right(self._orders, session.last_id, key=lambda order: order.id), len(self._orders)):
            if session.want(self._orders[n]):
                page.append(self._orders[n])
                if len(page) == session.limit:
                    break
        session.last_id = page[-1].id if page else session.last_id
        return page

    def wanted(self, want: Callable[[Stored], bool]) -> list[Stored]:
        """All orders that are wanted, by ascending id."""
        return [order for order in self._orders if want(order)]

    def find(self, order_id: str) -> Stored | None:
        """One order by its id."""
        return next((order for order in self._orders if str(order.id) == order_id), None)

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that a channel's adapter imported."""
        created = time.time() if at is None else at
        self._last += 1
        return self._keep(shape.from_draft(draft, self._last, self.stores[draft.created % len(self.stores)], created))

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order of the given fields over a few that every order has."""
        self._last += 1
        now = shape.written(time.time())
        base = {"store_id": self.stores[0], "external_id": str(self._last), "fulfillment_state": "pending_shipment"}
        return self._keep({"id": self._last, **base, "ordered_at": now, "created_at": now, "order_items": [], **order})

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set fields as a user would; or `deleted`. A new state takes its time along."""
        found = self.find(order_id)
        if found is None:
            return False
        if fields.pop("deleted", False):
            self._orders.remove(found)
            self._note("deleted", found)
            return True
        moved = {"fulfillment_transitioned_at": shape.written(time.time())} if "fulfillment_state" in fields else {}
        self._orders[self._orders.index(found)] = now = _read({**json.loads(found.text), **moved, **fields})
        self._note("changed", now)
        return True

    def stored(self) -> Iterable[bytes]:
        """All orders as they are got."""
        return (order.text for order in self._orders)

    def count(self) -> int:
        """How many orders there are."""
        return len(self._orders)

    def _keep(self, order: dict[str, Any]) -> str:
        if self.quantity == "absent":
            order["order_items"] = [{k: v for k, v in item.items() if k != "quantity"} for item in order["order_items"]]
        stored = _read(shape.numbers(order) if self.money == "numbers" else order)
        self._orders.append(stored)
        self._note("added", stored)
        return str(stored.id)

    def _note(self, did: str, order: Stored) -> None:
        def said() -> Mapping[str, str]:
            return essence.dropstream(json.loads(order.text))

        self._journal.effect("dropstream", self.name, did, order.external_id, str(order.id), said)


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _read(order: dict[str, Any]) -> Stored:
    ordered, created = (datetime.fromisoformat(order[name]).timestamp() for name in ("ordered_at", "created_at"))
    display = str(order.get("external_display_id"))
    names = int(order["id"]), int(order["store_id"]), str(order["external_id"]), display, order["fulfillment_state"]
    return Stored(*names, ordered, created, dump(order))

"""A runtime of a provider and a target made of lists, on a real Redis: for the stories that tasks tell."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from redis import ConnectionPool, Redis

from schemas.order import Order
from support.orders import order
from worker.errors import IntakeError, Malformed, Rejected, Uncertain
from worker.runtime import Runtime
from worker.settings.producers import InboxSettings, Producer
from worker.settings.routes import Route
from worker.store.feeds.backfills import Backfills
from worker.store.feeds.cursors import Cursors
from worker.store.feeds.fetches import Fetches
from worker.store.inbox import Inbox
from worker.store.limits.limiter import Scope
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.store.orders.stuck import Stuck
from worker.systems.provider import Page, Provider, Record
from worker.systems.target import Pending, Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class Shop(Provider):
    """Pages of records; what stands in `trouble` is raised by the next fetches."""

    kind = "shop"
    Options = BaseModel
    default_limit, documented_limit, default_poll_every = "10/s", None, 60.0

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        self.name, self.pages, self.trouble, self.asked = "shop", pages, list[Exception](), list[str]()

    def start(self, since: datetime) -> str:
        return "0"

    def fetch(self, cursor: str) -> Page:
        self.asked.append(cursor)
        if self.trouble:
            raise self.trouble.pop(0)
        at = int(cursor)
        if at >= len(self.pages):
            return Page([], cursor, more=False)
        return Page([Record(raw) for raw in self.pages[at]], str(at + 1), more=at + 1 < len(self.pages))

    def fetch_one(self, external_id: str) -> Record | None:
        return None

    def normalize(self, record: Record) -> Order:
        if "bad" in record.raw:
            raise Malformed("items[0].quantity: not a number", "items[0].quantity")
        return order(str(record.raw["id"]), **{k: v for k, v in record.raw.items() if k != "id"})

    def check(self) -> None:
        return


class Warehouse(Target):
    """A list of created orders; doubles are possible, so that a test can see them."""

    kind = "warehouse"
    Options = BaseModel
    default_limit, documented_limit = "10/s", None

    def __init__(self) -> None:
        self.name, self.created, self.trouble = "t", list[tuple[str, Order]](), list[Exception | None]()
        self.after: list[Exception | None] = []
        self.finds = 0

    def create(self, order: Order, reference: str) -> Receipt:
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        self.created.append((reference, order))
        if self.after and (error := self.after.pop(0)):
            raise error
        return Receipt(str(len(self.created)))

    def find(self, reference: str) -> Receipt | None:
        self.finds += 1
        ids = [n for n, (known, _) in enumerate(self.created, 1) if known == reference]
        return Receipt(str(ids[0]), existed=True) if ids else None

    def check(self) -> None:
        return


class Bulky(Warehouse):
    """Takes three at a time; an order with the note "bad" is refused, one with "lost" is created in silence."""

    bulk, dedupes = 3, True

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[str]] = []
        self.away: list[Exception | None] = []

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> list[Receipt | IntakeError]:
        self.calls.append([reference for _, reference in batch])
        if self.away and (error := self.away.pop(0)):
            raise error
        if any(order.note == "poison" for order, _ in batch):
            raise Rejected("the whole call is refused")
        return [self._one(order, reference) for order, reference in batch]

    def _one(self, order: Order, reference: str) -> Receipt | IntakeError:
        if order.note == "bad":
            return Rejected("bad", {"note": "bad"})
        receipt = super().create(order, reference)
        return Uncertain("no answer for this one") if order.note == "lost" else receipt

    def create(self, order: Order, reference: str) -> Receipt:
        if order.note == "poison":
            raise Rejected("poison")
        return super().create(order, reference)


class Editable(Warehouse):
    """Changes orders: `updated` has what was sent, to which id."""

    updates = True

    def __init__(self) -> None:
        super().__init__()
        self.updated: list[tuple[str, str, str | None]] = []

    def update(self, order: Order, reference: str, target_id: str) -> None:
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        self.updated.append((reference, target_id, order.note))


class Slow(Warehouse):
    """Takes an order in, and makes it when asked for the second time; it shows only what is made."""

    settles = False

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, list[int]] = {}
        self.refuse = False

    def create(self, order: Order, reference: str) -> Pending:  # type: ignore[override]
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        self.taken.setdefault(reference, []).append(0)
        if self.after and (error := self.after.pop(0)):
            raise error
        return Pending(f"step-{reference}", 0.0)

    def resume(self, order: Order, reference: str, step: str) -> Receipt | Pending:
        assert step == f"step-{reference}"
        self.taken[reference][-1] += 1
        if self.refuse:
            raise Rejected("refused later")
        return super().create(order, reference) if self.taken[reference][-1] > 1 else Pending(step, 0.0)


@dataclass
class FakeRuntime:
    """Stands for `worker.runtime.Runtime`."""

    redis: Redis
    shop: Shop
    warehouse: Warehouse = field(default_factory=Warehouse)
    lease: float = 5.0
    nudges: list[tuple[str, str]] = field(default_factory=list)
    routes: tuple[Route, ...] = (Route(source="shop", targets=("t",)),)
    producers: dict[str, Producer] = field(default_factory=dict)
    inbox_settings: InboxSettings = field(default_factory=InboxSettings)
    #: Targets that write into the account which the shop is.
    mirrored: tuple[str, ...] = ()
    #: Whether other work waits for a process.
    crowded: bool = True

    on_change, is_echo = Runtime.on_change, Runtime.is_echo
    #: Seconds of maintenance that are left, of the provider and of the target.
    maintenance: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def provider_maintenance_left(self, _: str) -> float:
        return self.maintenance[0]

    def target_maintenance_left(self, _: str) -> float:
        return self.maintenance[1]

    def others_wait(self, _task: str, _name: str) -> bool:
        return self.crowded

    def __post_init__(self) -> None:
        account = SimpleNamespace(poll_every=0.0, look_back=3600.0)
        self.settings = SimpleNamespace(
            providers={"shop": account},
            routes=self.routes,
            clocks=SimpleNamespace(poll=10.0, drain=5.0, arrived=60.0),
            mirrors=lambda _: self.mirrored,
            producers=self.producers,
            inbox=self.inbox_settings,
        )
        self.cursors = Cursors(self.redis, lease=self.lease, heartbeat=self.lease / 4)
        self.backfills = Backfills(self.redis, lease=self.lease, heartbeat=self.lease / 4)
        self.ledger = Ledger(self.redis, lease=self.lease)
        self.fetches = Fetches(self.redis)
        self.target_indexes: dict[str, Any] = {}
        raw = Redis(
            connection_pool=ConnectionPool(
                **{**self.redis.connection_pool.connection_kwargs, "decode_responses": False}
            )
        )
        # Nobody ends a story: its connection goes with it.
        weakref.finalize(self, raw.close)
        self.inbox = Inbox(raw, lease=self.lease, heartbeat=self.lease / 4)
        self.providers, self.targets = {"shop": self.shop}, {"t": self.warehouse}
        self.stuck = {"t": Stuck(self.redis, "t")}
        scope = Scope(self.redis, "t", ())
        self.lanes = {
            "t": Lane(
                self.redis,
                "t",
                scope,
                lease=self.lease,
                heartbeat=self.lease / 4,
                max_tries=4,
                concurrency=2,
                per_call=self.warehouse.bulk,
            )
        }

    def nudge(self, task: str, name: str, count: int = 1) -> None:
        self.nudges += [(task, name)] * count

    def state(self, external_id: str) -> dict[str, str]:
        return self.ledger.entries(["t"], f"shop:{external_id}")[0].record

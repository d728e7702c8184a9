"""A runtime for tests of the tasks: its provider and target are lists, its Redis is real."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from pydantic import BaseModel
from redis import ConnectionPool, Redis
from typing_extensions import TypeVar

from schemas.order import Order
from support.orders import order
from worker.errors import IntakeError, Malformed, Rejected, Uncertain
from worker.runtime import Runtime
from worker.settings.accounts import ProviderSettings, TargetSettings
from worker.settings.clocks import Clocks
from worker.settings.installation import Installation
from worker.settings.load import Settings
from worker.settings.producers import InboxSettings, Producer
from worker.settings.routes import Route
from worker.store.feeds.backfills import Backfills
from worker.store.feeds.cursors import Cursors
from worker.store.feeds.fetches import Fetches
from worker.store.health.nudges import Nudges
from worker.store.inbox import Inbox
from worker.store.limits.limiter import Scope
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.store.orders.pace import Pace
from worker.store.orders.stuck import Stuck
from worker.systems.provider import Page, Provider, Record
from worker.systems.target import Pending, Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from schemas.changes import Changes


class Quick(Pace):
    """The pace of a target that is known to be fast: its orders are claimed together, and sent one after the other."""

    def note(self, calls: Sequence[float], attempt: float) -> None:
        return

    def width(self, interval: float) -> int:
        return 1

    def stock(self, interval: float, width: int) -> float:
        return 1000.0


class NoOptions(BaseModel):
    """The options of a kind without options."""


class Shop(Provider):
    """A provider with pages of records; the next fetches raise the errors in `trouble`."""

    kind = "shop"
    Options = NoOptions
    default_limit, documented_limit, default_poll_every = "10/s", None, 60.0

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        self.name, self.pages, self.trouble, self.asked = "shop", pages, list[Exception](), list[str]()
        #: Called with the cursor before each fetch; an exception that it raises ends the fetch.
        self.before_fetch: Callable[[str], object] = lambda _: None

    def start(self, since: datetime) -> str:
        return "0"

    def fetch(self, cursor: str) -> Page:
        self.before_fetch(cursor)
        self.asked.append(cursor)
        if self.trouble:
            raise self.trouble.pop(0)
        index = int(cursor)
        if index >= len(self.pages):
            return Page([], cursor, more=False)
        following = index + 1
        return Page([Record(raw) for raw in self.pages[index]], str(following), more=following < len(self.pages))

    def fetch_one(self, external_id: str) -> Record | None:
        return None

    def normalize(self, record: Record) -> Order:
        if "bad" in record.raw:
            raise Malformed("items[0].quantity: not a number", "items[0].quantity")
        return order(str(record.raw["id"]), **{k: v for k, v in record.raw.items() if k != "id"})

    def check(self) -> None:
        return


class Warehouse(Target):
    """A target that keeps the created orders in a list, duplicates included."""

    kind = "warehouse"
    settles = True
    Options = NoOptions
    default_limit, documented_limit = "10/s", None

    def __init__(self) -> None:
        self.name, self.created, self.trouble = "t", list[tuple[str, Order]](), list[Exception | None]()
        self.after: list[Exception | None] = []
        self.finds = 0
        #: Called with the reference before each find; an exception that it raises ends the find.
        self.before_find: Callable[[str], object] = lambda _: None

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        return self._create(order, reference)

    def _create(self, order: Order, reference: str) -> Receipt:
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        self.created.append((reference, order))
        if self.after and (error := self.after.pop(0)):
            raise error
        return Receipt(str(len(self.created)))

    def find(self, reference: str) -> Receipt | None:
        self.before_find(reference)
        self.finds += 1
        ids = [n for n, (stored, _) in enumerate(self.created, 1) if stored == reference]
        return Receipt(str(ids[0]), existed=True) if ids else None

    def check(self) -> None:
        return


class Bulky(Warehouse):
    """A target that takes up to three orders per call.

    The note of an order selects its outcome: "bad" is rejected alone, "poison" rejects the whole call, and "lost" is
    created without a receipt.
    """

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
        return [self._create_one(order, reference) for order, reference in batch]

    def _create_one(self, order: Order, reference: str) -> Receipt | IntakeError:
        if order.note == "bad":
            return Rejected("bad", {"note": "bad"})
        receipt = self._create(order, reference)
        return Uncertain("no response for this order") if order.note == "lost" else receipt

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        if order.note == "poison":
            raise Rejected("poison")
        return super().create(order, reference)


class Editable(Warehouse):
    """A target that supports updates; `updated` lists each as reference, target id and note."""

    updates = True

    def __init__(self) -> None:
        super().__init__()
        self.updated: list[tuple[str, str, str | None]] = []

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        self.updated.append((reference, target_id, order.note))


class Slow(Warehouse):
    """A target that accepts an order and creates it on the second `resume`; `find` returns only created orders."""

    settles = False

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, list[int]] = {}
        self.refuse = False

    def create(self, order: Order, reference: str) -> Pending:
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
        return self._create(order, reference) if self.taken[reference][-1] > 1 else Pending(step, 0.0)


_ShopT_co = TypeVar("_ShopT_co", bound=Provider, default=Shop, covariant=True)
_WarehouseT_co = TypeVar("_WarehouseT_co", bound=Target, default=Warehouse, covariant=True)


@dataclass
class FakeRuntime(Runtime, Generic[_ShopT_co, _WarehouseT_co]):
    """A runtime of the provider `shop` and the target `t`, with settings that are not read from a file."""

    redis: Redis
    shop: _ShopT_co
    warehouse: _WarehouseT_co = field(default_factory=Warehouse)  # type: ignore[assignment]  # the default of the variable
    lease: float = 5.0
    #: Every nudge that was sent: its task and its account.
    nudged: list[tuple[str, str]] = field(default_factory=list)
    routes: tuple[Route, ...] = (Route(source="shop", targets=("t",)),)
    producers: dict[str, Producer] = field(default_factory=dict)
    #: The start of the provider.
    start: str = "2020-01-01"
    inbox_settings: InboxSettings = field(default_factory=InboxSettings)
    #: Further targets that write into the account that the provider reads.
    mirrored: dict[str, Target] = field(default_factory=dict)
    #: Whether other work waits for a process.
    crowded: bool = True
    #: Remaining maintenance of the provider and of the target, in seconds.
    maintenance: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def provider_maintenance_left(self, name: str, now: datetime | None = None) -> float:
        return self.maintenance[0]

    def target_maintenance_left(self, name: str, now: datetime | None = None) -> float:
        return self.maintenance[1]

    def others_wait(self, task: str, name: str) -> bool:
        return self.crowded

    def __post_init__(self) -> None:
        self.settings = self._settings()
        self.installation = Installation(self.redis, self.settings)
        heartbeat = self.lease / 4
        self.cursors = Cursors(self.redis, lease=self.lease, heartbeat=heartbeat)
        self.backfills = Backfills(self.redis, lease=self.lease, heartbeat=heartbeat)
        self.ledger = Ledger(self.redis, lease=self.lease)
        self.fetches = Fetches(self.redis)
        self.nudges = Nudges(self.redis, 10.0)
        self.target_indexes, self.doubt_listings = {}, {}
        raw = Redis(
            connection_pool=ConnectionPool(
                **{**self.redis.connection_pool.connection_kwargs, "decode_responses": False}
            )
        )
        # No test closes a fake runtime: the connection is closed when the runtime is garbage-collected.
        weakref.finalize(self, raw.close)
        self.inbox = Inbox(raw, lease=self.lease, heartbeat=heartbeat)
        self.providers, self.targets = {"shop": self.shop}, {"t": self.warehouse, **self.mirrored}
        self.stuck = {"t": Stuck(self.redis, "t")}
        self.lanes = {
            "t": Lane(
                self.redis,
                "t",
                Scope(self.redis, "t", ()),
                lease=self.lease,
                heartbeat=heartbeat,
                max_tries=4,
                concurrency=2,
                per_call=self.warehouse.bulk,
            )
        }
        self.lanes["t"].pace = Quick()

    def _settings(self) -> Settings:
        def account(name: str, kind: str) -> dict[str, Any]:
            url = f"https://{kind}.example"
            return {
                "name": name,
                "kind": kind,
                "url": url,
                "limit": "none",
                "limit_scope": name,
                "options": NoOptions(),
            }

        shop = ProviderSettings.model_validate(account("shop", "shop") | {"poll_every": "1ms", "start": self.start})
        targets = {"t": TargetSettings.model_validate(account("t", "warehouse"))}
        targets |= {name: TargetSettings.model_validate(account(name, "shop")) for name in self.mirrored}
        return Settings(
            file="intake.toml",
            data_dir=Path(),
            clocks=Clocks().model_copy(update={"poll": 10.0}),
            providers={"shop": shop.model_copy(update={"poll_every": 0.0})},
            targets=targets,
            routes=self.routes,
            producers=self.producers,
            inbox=self.inbox_settings,
        )

    def set_clocks(self, **seconds: float) -> None:
        """Change clocks of the settings without validating them."""
        clocks = self.settings.clocks.model_copy(update=seconds)
        self.settings = self.settings.model_copy(update={"clocks": clocks})

    def take_from(self, producer: str) -> None:
        """Replace every route by one that sends the orders of this producer to the target."""
        routes = (Route(source=producer, targets=("t",)),)
        update = {"producers": {producer: Producer()}, "routes": routes}
        self.settings = self.settings.model_copy(update=update)

    def poll_every(self, seconds: float) -> None:
        """Change how often the provider is polled."""
        shop = self.settings.providers["shop"].model_copy(update={"poll_every": seconds})
        self.settings = self.settings.model_copy(update={"providers": {"shop": shop}})

    def nudge(self, task: str, name: str, count: int = 1) -> None:
        self.nudged += [(task, name)] * count

    def state(self, external_id: str) -> dict[str, str]:
        """Return the ledger's record of an order."""
        return self.ledger.entries(["t"], f"shop:{external_id}")[0].record

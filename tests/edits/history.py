"""One random history: edits at the source and by people in turns, updates with lost responses and dying workers."""

from __future__ import annotations

import itertools
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import tasks.deliver
from edits.model import Model
from edits.systems import SKUS, SYSTEMS
from edits.wire import Killed
from schemas.order import Order
from support.fake_runtime import FakeRuntime, Shop
from worker.store.orders.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from redis import Redis

    from edits.systems import Simulated

Json = dict[str, Any]
_NAMES: Final = {"MUG": "Mug", "TEA": "Tea", "POT": "Pot", "CUP": "Cup", "JAR": "Jar"}
_FAULTS: Final = ("refused", "lost", "lost", "dead", "dying")


#: Histories in one house: with more orders, it takes longer to look for one.
_MANY: Final = 10


def run(redis: Redis, kind: str, seeds: Iterable[int]) -> Iterator[tuple[int, list[str]]]:
    """Run histories; yield the seed of each, and what is wrong at its end."""
    house = House(redis, kind)
    for number, seed in enumerate(seeds, 1):
        yield seed, house.run(seed)
        if number % _MANY == 0:
            house = House(redis, kind)


class House:
    """A target with its ledger, for any number of histories."""

    def __init__(self, redis: Redis, kind: str) -> None:
        redis.flushall()
        self.system: Simulated = SYSTEMS[kind]()
        self.rt = FakeRuntime(redis, Shop([]), self.system.target)
        self.numbers = itertools.count(1)

    def run(self, seed: int) -> list[str]:
        """Run one history. Return what is wrong at its end, and what happened; nothing if all is right."""
        with patch("tasks.attempt.backoff", return_value=0.0):
            return _History(self, Random(seed), str(next(self.numbers))).run()


class _History:
    def __init__(self, house: House, rng: Random, external_id: str) -> None:
        self.house, self.rng, self.id = house, rng, external_id
        self.key = f"shop:{external_id}"
        self.model = Model()
        self.source = _first(rng)
        self.version = 0
        self.seen = 0
        self.story: list[str] = []

    def run(self) -> list[str]:
        self._accept()
        for _ in range(self.rng.randrange(8, 18)):
            self.rng.choices((self._source_edit, self._people, self._deliver), (4, 4, 3))[0]()
        for _ in range(8):
            self._deliver(faults=False)
        shown = self.house.system.flat(self.house.system.stored(self.id) or {})
        expected = self.model.expected()
        if shown == expected:
            return []
        wrong = [
            f"{name}: shown {shown.get(name)!r}, expected {expected.get(name)!r}"
            for name in sorted(shown.keys() | expected.keys())
            if shown.get(name) != expected.get(name)
        ]
        return [*wrong, *self.story]

    @property
    def order(self) -> Order:
        base = {"provider": "shop", "external_id": self.id, "version": self.version}
        return Order.model_validate({**base, **self.source})

    def _accept(self) -> None:
        self.version += 1
        self.house.rt.ledger.accept("t", [Delivery(self.order, self.id)], "poll shop", on_change="update")

    def _source_edit(self) -> None:
        for _ in range(self.rng.choice((1, 1, 2))):
            self.story.append(f"source: {_edit(self.rng, self.source)}")
        self._accept()

    def _people(self) -> None:
        raw = self.house.system.stored(self.id)
        if raw is not None:
            edit = self.house.system.people(self.rng, raw)
            self.story.append(f"people: {edit}")
            self.model.edit(edit)

    def _deliver(self, *, faults: bool = True) -> None:
        planned = {}
        if faults and self.rng.random() < 0.5:
            planned = {self.rng.randrange(8): self.rng.choice(_FAULTS)}
        self.house.system.wire.plan(planned)
        rt = self.house.rt
        lane = rt.lanes["t"]
        died = True
        with suppress(Killed):
            tasks.deliver.deliver(rt, "t", rt.nudge)
            died = False
        if died:
            # Its lease ends.
            drains = cast("list[str]", rt.redis.zrange(lane.keys.drains, 0, -1))
            rt.redis.zadd(lane.keys.drains, dict.fromkeys(drains, 1))
            lane.sweep()
        rt.redis.hdel(lane.keys.lane, "failures", "closed_until")
        self._read_history()

    def _read_history(self) -> None:
        """Tell the model what was attempted and confirmed, as the ledger's history has it."""
        [entry] = self.house.rt.ledger.entries(["t"], self.key)
        shown = self.house.system.show(self.order)
        for _, event in entry.history[self.seen :]:
            word = event.partition(" ")[0]
            self.story.append(f"ledger: {event}")
            if word == "claimed":
                self.model.attempt(shown)
            elif word == "updated" or (word == "delivered" and " existed" not in event):
                self.model.confirm()
        self.seen = len(entry.history)


def _line(rng: Random, sku: str) -> Json:
    return {
        "id": sku.lower(),
        "sku": sku,
        "name": _NAMES[sku],
        "quantity": rng.randrange(1, 10),
        "unit_price": rng.randrange(1, 40),
    }


def _first(rng: Random) -> Json:
    address = {"first_name": "Ada", "street1": "Oude Delft 1", "city": "Delft", "country": "NL", "postal_code": "2611"}
    return {
        "status": "new",
        "ordered_at": "2026-01-02T03:04:05Z",
        "currency": "EUR",
        "lines": [_line(rng, sku) for sku in rng.sample(SKUS, rng.randrange(1, 4))],
        "totals": {"shipping": 5},
        "shipping_address": address,
        "billing_address": {**address, "street1": "Postbus 5"},
        "shipping": {},
        "note": "Ring twice",
    }


def _edit(rng: Random, source: Json) -> str:
    """Change one thing of the order at the source; return what."""
    edits: list[Callable[[Random, Json], str]] = [_edit_field, _edit_field, _edit_line]
    return rng.choice(edits)(rng, source)


def _edit_field(rng: Random, source: Json) -> str:
    number = rng.randrange(1000)
    choices: dict[str, list[Any]] = {
        "status": ["new", "paid", "processing"],
        "note": [f"note {number}", None],
        "internal_note": [f"internal {number}", None],
        "totals.shipping": [rng.randrange(1, 20)],
        "shipping_address.city": [f"City {number}"],
        "shipping_address.phone": [f"+3155{number:05}"],
        "shipping_address.postal_code": [f"{number:04}"],
        "shipping_address.first_name": [f"Name {number}"],
        "billing_address.city": [f"City {number}"],
        "shipping.promised_on": ["2026-02-03", "2026-02-04"],
    }
    path = rng.choice(list(choices))
    value = rng.choice(choices[path])
    *parts, name = path.split(".")
    place = source
    for part in parts:
        place = place[part] = dict(place[part])
    place[name] = value
    return f"{path} = {value!r}"


def _edit_line(rng: Random, source: Json) -> str:
    lines = source["lines"] = [dict(line) for line in source["lines"]]
    missing = [sku for sku in SKUS if sku not in {line["sku"] for line in lines}]
    action = rng.choice(("add", "remove", "change", "change", "swap"))
    if action == "add" and missing:
        line = _line(rng, rng.choice(missing))
        lines.insert(rng.randrange(len(lines) + 1), line)
    elif action == "remove" and len(lines) > 1:
        line = lines.pop(rng.randrange(len(lines)))
    elif action == "swap":
        rng.shuffle(lines)
        return "the order of the lines"
    else:
        line = rng.choice(lines)
        name = rng.choice(("quantity", "unit_price", "note"))
        line[name] = f"line note {rng.randrange(1000)}" if name == "note" else rng.randrange(1, 15)
    return f"{action} {line}"

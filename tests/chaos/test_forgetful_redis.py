"""Real servers forget their last writes while orders are read and delivered: none is lost or duplicated."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

import tasks.deliver
import tasks.poll
from chaos.forgetful import WAYS, Backup, Way, wait_until
from support.fake_runtime import Editable, FakeRuntime, Shop
from worker.errors import LeaseLost, Rejected, StoreFull
from worker.http.client import _GUARD
from worker.lab.history.judge import judge
from worker.lab.history.routes import Route
from worker.store.redis import keys
from worker.store.redis.connection import ERRORS, connect
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.changes import Changes
    from schemas.order import Order
    from worker.systems.provider import Page

ROUNDS: Final = int(os.environ.get("INTAKE_ROUNDS", "1"))
PAGES, PER_PAGE = 75, 4
ORDERS: Final = PAGES * PER_PAGE
#: Pages after which an order is on a page again, with its second version.
EDITED_AFTER: Final = 10
LEASE, ARRIVED = 1.0, 0.5
#: Seconds that nothing is sent after Redis forgot: a lease, a call of these tests, and the time until it shows.
QUIET: Final = LEASE + 0.5 + ARRIVED
ROUTE: Final = Route.read("shop/shop=target/t={id}")


def records(page: int) -> list[dict[str, Any]]:
    """Return the records of a page: new orders, and second versions of earlier ones."""
    new = [{"id": str(page * PER_PAGE + n), "note": "first", "version": 1} for n in range(PER_PAGE)]
    earlier = page - EDITED_AFTER
    return new if earlier < 0 else [*new, {"id": str(earlier * PER_PAGE), "note": "second", "version": 2}]


class Journal:
    """What happened in the source and in the target, for the history checker."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        for page in range(PAGES):
            for record in records(page):
                did = "added" if record["version"] == 1 else "changed"
                self.add("shop", "shop", did, record["id"], record["note"])

    def add(self, system: str, account: str, did: str, order: str, note: str | None) -> None:
        entry = {"kind": "effect", "system": system, "account": account, "did": did, "run": "r"}
        ids = {"reference": order, "external_id": order, "fields": {"note": note}}
        self.entries.append({**entry, **ids, "mono": float(len(self.entries))})


class Growing(Shop):
    """A shop whose pages are read one at a time."""

    def fetch(self, cursor: str) -> Page:
        time.sleep(0.01)
        return super().fetch(cursor)


class Target(Editable):
    """A target that accepts duplicates, and can be asked."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal, self.times = journal, dict[str, float]()

    def _write(self, did: str, reference: str, note: str | None) -> None:
        time.sleep(0.005)
        check = _GUARD.get()
        assert check is not None
        check()
        self.times.setdefault(reference, time.monotonic())
        self.journal.add("target", "t", did, reference, note)

    def create(self, order: Order, reference: str) -> Receipt:
        self._write("created", reference, order.note)
        return Receipt(reference)

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        self._write("changed", reference, order.note)

    def find(self, reference: str) -> Receipt | None:
        return Receipt(reference, existed=True) if reference in self.times else None


class Late(Target):
    """A target that shows an order some time after its creation."""

    settles = False

    def find(self, reference: str) -> Receipt | None:
        at = self.times.get(reference)
        return Receipt(reference, existed=True) if at and time.monotonic() > at + ARRIVED else None


class Silent(Target):
    """A target that cannot be asked."""

    settles = False

    def find(self, reference: str) -> Receipt | None:
        raise Rejected("it cannot be searched")


class Workers:
    """Two workers, each a thread with a runtime of its own."""

    def __init__(self, url: str, target: Target) -> None:
        self._stopped = threading.Event()
        self.runtimes = [self._runtime(url, target) for _ in range(2)]
        self._threads = [threading.Thread(target=self._work, args=(rt,), daemon=True) for rt in self.runtimes]

    @staticmethod
    def _runtime(url: str, target: Target) -> FakeRuntime[Growing, Target]:
        shop = Growing([records(page) for page in range(PAGES)])
        rt = FakeRuntime(connect(url), shop, target, lease=LEASE)
        rt.lanes["t"].quarantine_ms = round(QUIET * 1000)
        return rt

    def begin(self) -> None:
        """Start with a ledger that had no predecessor, and that has read its provider before."""
        rt = self.runtimes[0]
        rt.ledger.assume_no_predecessor()
        rt.redis.hset(keys.cursor("shop"), "walked", "1")
        self.start()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def _work(self, rt: FakeRuntime[Growing, Target]) -> None:
        steps: tuple[Callable[[], object], ...] = (
            lambda: tasks.poll.poll(rt, "shop", rt.nudge, pages=2, gap=-1),
            lambda: tasks.deliver.deliver(rt, "t", rt.nudge),
            rt.lanes["t"].sweep,
        )
        while not self._stopped.is_set():
            for step in steps:
                with suppress(*ERRORS, LeaseLost, StoreFull):
                    step()
            time.sleep(0.01)

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
        for rt in self.runtimes:
            rt.redis.close()

    def rest(self) -> bool:
        """Return whether everything is read and nothing waits."""
        rt = self.runtimes[0]
        status = rt.lanes["t"].status()
        read = rt.cursors.status("shop")
        return (
            read.get("value") == str(PAGES)
            and int(read.get("walked", 0)) > 1
            and not (status["queued"] or status["in_flight"])
        )


class Case(NamedTuple):
    """A way of forgetting, and a kind of target; `stopped`: no worker runs while Redis forgets."""

    way: type[Way]
    kind: type[Target]
    stopped: bool
    number: int

    def __str__(self) -> str:
        return f"{self.way.__name__}-{self.kind.__name__}{'-stopped' * self.stopped}-{self.number}"


CASES: Final = [
    Case(way, kind, stopped, number)
    for number in range(ROUNDS)
    for way in WAYS
    for stopped in ((False, True) if issubclass(way, Backup) else (False,))
    for kind in (Target, Late, Silent)
]


@pytest.mark.repeat
@pytest.mark.timeout(180)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_redis_forgot_is_neither_lost_nor_sent_twice(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail over, cut the power and restore a backup.

    In `make test`, `test_no_order_is_lost_or_duplicated_under_any_fault`, where a replica that has fallen behind takes
    over.
    """
    monkeypatch.setattr("worker.retry.BASE", 0.2)
    chance = random.Random(str(case))
    journal = Journal()
    target = case.kind(journal)
    with case.way(tmp_path, chance) as server:
        workers = Workers(server.url, target)
        workers.begin()
        wait_until(lambda: len(target.times) > 20)
        server.mark()
        known = len(target.times) + chance.randint(*server.forgotten)
        wait_until(lambda: len(target.times) >= known)
        assert len(target.times) < ORDERS, "it forgets while orders flow"
        if case.stopped:
            workers.stop()
        server.forget()
        if case.stopped:
            workers = Workers(server.url, target)
            workers.start()
        wait_until(workers.rest)
        lane = workers.runtimes[0].lanes["t"]
        doubtful = {str(key).removeprefix("shop:") for key in lane.redis.zrange(lane.keys.doubt, 0, -1)}
        dead = lane.status()["dead_now"]
        workers.stop()
    verdict = judge(journal.entries, [ROUTE], keep=ORDERS).targets["target/t"]
    print(len(target.times), "created,", len(doubtful), "in doubt,", verdict)
    assert (verdict.duplicated.first, verdict.wrong.first, verdict.stale.first, verdict.unknown.first) == (
        [],
        [],
        [],
        [],
    )
    assert set(verdict.lost.first) <= doubtful
    assert dead == 0
    if case.kind.settles:
        assert not doubtful

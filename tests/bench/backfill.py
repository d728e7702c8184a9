"""Benchmark `backfill`: how long a fresh order takes while a backfill runs, beside the same without one."""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from bench import harness
from bench.figure import Figure, Measured
from bench.latency import percentile
from bench.simulated import simulated
from bench.sink import python_target
from schemas.job import INBOX
from worker.cli.feeds.backfill import progress
from worker.http.client import Client
from worker.http.gates import Open
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from bench.stage import Stage
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
limit = "none"
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
#: Orders that are pushed in each part of a round, and those before, which are not counted.
_FRESH, _WARM_UP = 300, 20
#: Seconds between two fresh orders.
_APART = (0.05, 0.15)
#: Seconds for the last of them to arrive.
_PATIENCE = 60.0
#: Worker processes, as many as the settings ask for: one provider, two drains, one more.
_PROCESSES = 4


def _pushed(rt: Runtime, target: Client, orders: range) -> list[float]:
    """Push orders one at a time; the milliseconds from each push to its arrival in the target, sorted."""
    chance = random.Random(1)
    pushing, sent = connect(rt.settings.redis_url or ""), {}
    for number in orders:
        made = harness.make_order(number).model_dump(mode="json", exclude_defaults=True, exclude={"provider"})
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


def measure(stage: Stage) -> Measured:
    """Push to created while a backfill runs, beside the same while it stands still, in turn."""
    found: dict[str, list[list[float]]] = {"-": [], "runs": []}
    rates: list[float] = []
    options = f":key=key:fractions=0:orders={stage.orders}:spread={30 * 86_400}"
    with simulated("retailcrm", options) as shop, python_target() as sink:
        text = _CONFIG.format(redis=stage.redis, shop=shop.url, target=sink.url)
        with harness.configure(stage.home, text) as rt, harness.running(_processes(), os.environ, stage.home):
            target = Client(sink.url, gate=Open(), headers={}, max_bytes=1 << 30)
            _pushed(rt, target, range(_WARM_UP))
            numbers = itertools.count(_WARM_UP, _FRESH)
            for number in range(stage.rounds):
                for part, runs in found.items():
                    if part == "runs":
                        _run(rt, target, first=number == 0)
                    begun, created, start = time.monotonic(), _created(target), next(numbers)
                    with stage.console.status(f"round {number + 1} of {stage.rounds}: backfill {part}"):
                        runs.append(_pushed(rt, target, range(start, start + _FRESH)))
                    if part == "runs":
                        rates.append((_created(target) - created - _FRESH) / (time.monotonic() - begun))
                        _stand_still(rt)
            target.close()
    return Measured(_figures(found, rates, f"a backfill of {stage.orders:,}, {_FRESH} fresh orders at a time"))


def _figures(found: dict[str, list[list[float]]], rates: list[float], note: str) -> list[Figure]:
    figures = []
    for share in (0.5, 0.95, 0.99):
        during, alone = (tuple(percentile(times, share) for times in found[part]) for part in ("runs", "-"))
        name = f"push to created while a backfill runs, p{round(100 * share)}"
        figures.append(Figure(name, "ms", during, alone, "while it stands still", note=note))
    return [*figures, Figure("of the backfill sent meanwhile", "/s", tuple(rates), note=note)]


def _processes() -> list[list[str]]:
    deliver, *others = harness.ours(_PROCESSES, listening=True)
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

"""Benchmark `backfill`: the delay of a fresh order while a backfill runs, and without one."""

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
from worker.http.client import Client
from worker.http.gates import Open
from worker.operations.backfill_words import backfill_progress
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
start = "{start}"
kind = "retailcrm"
url = "{shop}"
api_key = "env:BENCH_KEY"
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
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "{{provider}}:{{external_id}}"
[[routes]]
from = "web"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "{{provider}}:{{external_id}}"
"""
#: Orders that are pushed in each part of a round, and orders before them that are not counted.
_FRESH, _WARM_UP = 300, 20
#: Seconds between two fresh orders, at least and at most.
_PAUSE = (0.05, 0.15)
#: Seconds in which the last of them must arrive.
_ARRIVAL_TIMEOUT = 60.0
#: Worker processes, as many as the settings need: one provider, two drains, one more.
_PROCESSES = 4


def _push(rt: Runtime, target: Client, orders: range) -> list[float]:
    """Push orders one at a time; return the milliseconds from each push to the arrival, in ascending order."""
    pauses = random.Random(1)
    redis, sent = connect(rt.settings.redis_url or ""), {}
    for number in orders:
        order = harness.make_order(number).model_dump(mode="json", exclude_defaults=True, exclude={"provider"})
        sent[f"web:{number}"] = time.monotonic()
        redis.lpush(INBOX, json.dumps({"v": 1, "provider": "web", "order": order}))
        time.sleep(pauses.uniform(*_PAUSE))
    until = time.monotonic() + _ARRIVAL_TIMEOUT
    while not sent.keys() <= (arrivals := target.read("/times").json()).keys():
        if time.monotonic() > until:
            raise click.ClickException(f"not all of {len(sent)} fresh orders arrived within a minute")
        time.sleep(0.5)
    redis.close()
    return sorted(1000 * (float(arrivals[name]) - at) for name, at in sent.items())


def _begin(rt: Runtime, target: Client) -> None:
    now = datetime.now(UTC)
    rt.backfills.begin("shop", now - timedelta(days=40), now)
    before, until = _created(target), time.monotonic() + _ARRIVAL_TIMEOUT
    while _created(target) < before + 50:
        if time.monotonic() > until:
            raise click.ClickException("the backfill did not begin within a minute")
        time.sleep(0.1)


def _created(target: Client) -> int:
    return int(target.read("/").json()["created"])


def measure(stage: Stage) -> Measured:
    """Measure the time from push to created while a backfill runs and while it is paused, in turn."""
    results: dict[str, list[list[float]]] = {"-": [], "runs": []}
    rates: list[float] = []
    options = f":key=key:fractions=0:orders={stage.orders}:spread={30 * 86_400}"
    with simulated("retailcrm", options) as shop, python_target() as sink:
        text = _CONFIG.format(start=datetime.now(UTC).isoformat(), redis=stage.redis, shop=shop.url, target=sink.url)
        with harness.configure(stage.home, text) as rt, harness.run_processes(_processes(), os.environ, stage.home):
            target = Client(sink.url, gate=Open(), headers={}, max_bytes=1 << 30)
            _push(rt, target, range(_WARM_UP))
            numbers = itertools.count(_WARM_UP, _FRESH)
            for number in range(stage.rounds):
                for part, runs in results.items():
                    if part == "runs":
                        _run(rt, target, first=number == 0)
                    began, created, start = time.monotonic(), _created(target), next(numbers)
                    with stage.console.status(f"round {number + 1} of {stage.rounds}: backfill {part}"):
                        runs.append(_push(rt, target, range(start, start + _FRESH)))
                    if part == "runs":
                        rates.append((_created(target) - created - _FRESH) / (time.monotonic() - began))
                        _pause(rt)
            target.close()
    return Measured(_figures(results, rates, f"a backfill of {stage.orders:,}, {_FRESH} fresh orders at a time"))


def _figures(results: dict[str, list[list[float]]], rates: list[float], note: str) -> list[Figure]:
    figures = []
    for share in (0.5, 0.95, 0.99):
        during, alone = (tuple(percentile(times, share) for times in results[part]) for part in ("runs", "-"))
        name = f"push to created while a backfill runs, p{round(100 * share)}"
        figures.append(Figure(name, "ms", during, alone, "while it stands still", note=note))
    return [*figures, Figure("of the backfill sent meanwhile", "/s", tuple(rates), note=note)]


def _processes() -> list[list[str]]:
    deliver, *others = harness.intake_commands(_PROCESSES, listening=True)
    return [[word.replace("intake.deliver", "intake.deliver,intake.poll") for word in deliver], *others]


def _run(rt: Runtime, target: Client, *, first: bool) -> None:
    if first:
        _begin(rt, target)
    else:
        rt.backfills.resume("shop")
        time.sleep(5)


def _pause(rt: Runtime) -> None:
    """Pause the backfill and wait until all its orders are sent."""
    state = backfill_progress(rt, "shop")
    if state is None or state["state"] == "finished":
        raise click.ClickException("the backfill was over before the measuring was: ask for more --orders")
    rt.backfills.pause("shop", "stopped")
    while rt.lanes["dropday"].status()["queued"]:
        time.sleep(0.5)

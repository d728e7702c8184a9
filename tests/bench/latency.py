"""Benchmark `latency`: from the push of a job to the order in the target, beside Celery's `delay`."""

from __future__ import annotations

import json
import os
import random
import time
from typing import TYPE_CHECKING

import click
from celery import Celery

from bench import harness
from bench.figure import Figure, Measured
from bench.sink import python_target
from schemas.job import INBOX
from worker.http.client import Client
from worker.http.gates import Open
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import Stage

#: Orders that are sent first and not counted: processes start, connections open.
WARM_UP = 20
#: Seconds between two orders: long enough that everything is idle again.
APART = (0.05, 0.15)


def _times(target: str, send: Callable[[int], None], orders: int) -> list[float]:
    """Milliseconds from the sending of each order to its arrival in the target, ascending."""
    client = Client(target, gate=Open(), headers={})
    chance = random.Random(1)
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


def ours(stage: Stage) -> list[float]:
    """Through the inbox, as a producer in any language pushes."""
    with python_target() as target:
        config = harness.CONFIG.format(redis=stage.redis, target=target.url, processes=2)
        harness.configure(stage.home, config).close()
        pushing = connect(stage.redis)

        def send(number: int) -> None:
            order = json.loads(harness.make_order(number).model_dump_json(exclude_defaults=True))
            pushing.lpush(INBOX, json.dumps({"v": 1, "provider": "shop", "order": order}))

        with harness.running(harness.ours(2, listening=True), os.environ, stage.home):
            return _times(target.url, send, stage.orders)


def plain(stage: Stage) -> list[float]:
    """A Celery task for each order."""
    with python_target() as target:
        env = harness.environment(BROKER=stage.redis, TARGET=target.url)
        app = Celery("plain", broker=stage.redis)
        app.backend_cls = "disabled://"
        connect(stage.redis).flushall()

        def send(number: int) -> None:
            app.send_task("create", args=(harness.make_order(number).model_dump(mode="json"),))

        with harness.running(harness.theirs(2), env, stage.home):
            return _times(target.url, send, stage.orders)


def percentile(times: list[float], share: float) -> float:
    """What so large a share of the times, ascending, does not exceed."""
    return times[min(len(times) - 1, int(len(times) * share))]


def measure(stage: Stage) -> Measured:
    """Push to created, one order at a time, all idle."""
    found = stage.alternate({"Intake": lambda: ours(stage), "plain Celery": lambda: plain(stage)})
    mine, theirs = found["Intake"], found["plain Celery"]
    note = f"{stage.orders} orders in each round, one at a time, two worker processes"
    figures = []
    for share in (0.5, 0.95, 0.99):
        name = f"push to created when idle, p{round(100 * share)}"
        own = tuple(percentile(times, share) for times in mine)
        other = tuple(percentile(times, share) for times in theirs)
        figures.append(Figure(name, "ms", own, other, "plain Celery, delay to created", "<= 1.2", note=note))
    slow = tuple(percentile(times, 0.95) for times in mine)
    figures.append(Figure("push to created when idle, p95, in itself", "ms", slow, goal="<= 1000", note=note))
    return Measured(figures)

"""Benchmark `latency`: from the push of a job to the request for its order, compared with Celery's `delay`."""

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

#: Orders that are sent first and not counted, while processes start and connections open.
WARM_UP = 20
#: Seconds that the distant target takes to respond: the next order is often sent meanwhile.
AWAY = 0.1
#: Seconds between two orders, at least and at most: everything must be idle again.
PAUSE = (0.05, 0.15)


def _times(target: str, send: Callable[[int], None], orders: int) -> list[float]:
    """Return the milliseconds from sending each order to its arrival in the target, in ascending order."""
    client = Client(target, gate=Open(), headers={})
    pauses = random.Random(1)
    sent = {}
    for number in range(orders + WARM_UP):
        sent[str(number)] = time.monotonic()
        send(number)
        if number == 0:
            _wait(client, 1)
        time.sleep(pauses.uniform(*PAUSE))
    _wait(client, orders + WARM_UP)
    arrivals = client.read("/times").json()
    return sorted(1000 * (float(arrivals[str(n)]) - sent[str(n)]) for n in range(WARM_UP, orders + WARM_UP))


def _wait(client: Client, orders: int) -> None:
    until = time.monotonic() + 60
    while client.read("/").json()["created"] < orders:
        if time.monotonic() > until:
            raise click.ClickException(f"not all of {orders} orders arrived within a minute")
        time.sleep(0.05)


def run_intake(stage: Stage, latency: float = 0.0) -> list[float]:
    """Push each order into the inbox, as a producer does; the target responds after `latency` seconds."""
    with python_target(latency) as target:
        config = harness.CONFIG.format(redis=stage.redis, target=target.url)
        harness.configure(stage.home, config).close()
        redis = connect(stage.redis)

        def send(number: int) -> None:
            order = json.loads(harness.make_order(number).model_dump_json(exclude_defaults=True))
            redis.lpush(INBOX, json.dumps({"v": 1, "provider": "shop", "order": order}))

        with harness.run_processes(harness.default_commands(listening=True), os.environ, stage.home):
            return _times(target.url, send, stage.orders)


def run_celery(stage: Stage) -> list[float]:
    """Send each order as a task of a plain Celery app."""
    with python_target() as target:
        env = harness.environment(BROKER=stage.redis, TARGET=target.url)
        app = Celery("plain", broker=stage.redis)
        app.backend_cls = "disabled://"
        connect(stage.redis).flushall()

        def send(number: int) -> None:
            app.send_task("create", args=(harness.make_order(number).model_dump(mode="json"),))

        with harness.run_processes(harness.celery_commands(2), env, stage.home):
            return _times(target.url, send, stage.orders)


def percentile(times: list[float], share: float) -> float:
    """Return a percentile of times in ascending order."""
    return times[min(len(times) - 1, int(len(times) * share))]


def measure(stage: Stage) -> Measured:
    """Measure the time from push to created, one order at a time, with everything idle."""
    sides = {
        "Intake": lambda: run_intake(stage),
        "plain Celery": lambda: run_celery(stage),
        "Intake, away": lambda: run_intake(stage, AWAY),
    }
    results = stage.alternate(sides)
    ours, theirs = results["Intake"], results["plain Celery"]
    note = f"{stage.orders} orders in each round, one at a time, all defaults; plain Celery has two processes"
    figures = []
    for share in (0.5, 0.95, 0.99):
        name = f"push to created when idle, p{round(100 * share)}"
        our_times = tuple(percentile(times, share) for times in ours)
        their_times = tuple(percentile(times, share) for times in theirs)
        figures.append(
            Figure(name, "ms", our_times, their_times, "plain Celery, delay to created", "<= 1.2", note=note)
        )
    p95 = tuple(percentile(times, 0.95) for times in ours)
    figures.append(Figure("push to created when idle, p95, in itself", "ms", p95, goal="<= 1000", note=note))
    away = tuple(percentile(times, 0.95) for times in results["Intake, away"])
    name = f"push to the request, target {1000 * AWAY:.0f} ms away, p95"
    figures.append(Figure(name, "ms", away, goal="<= 10", note=note))
    return Measured(figures)

"""Benchmark `far`: the calls per second of a poll behind the limit of a provider that answers late."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from bench import harness, reading
from bench.figure import Figure, Measured
from bench.simulated import simulated

if TYPE_CHECKING:
    from bench.stage import Stage


class Case(NamedTuple):
    """A kind of provider, its limit per second, the seconds until it answers, and its calls by order."""

    kind: str
    rate: int
    latency: float
    #: Orders of one call, about.
    orders: float
    #: The settings of the account, where they are not those of the benchmark `reading`.
    account: str = ""


_CLOUD = 'client_id = "main"\nclient_secret = "env:BENCH_KEY"'
CASES = (
    Case("retailcrm", 10, 0.2, 50),
    Case("dropday", 10, 0.2, 100),
    Case("ordercloud", 5, 0.3, 0.95, _CLOUD),
)


def _read(stage: Stage, case: Case) -> float:
    """Let a worker read all orders with the default settings; return the calls per second from the first to the last.

    It is a worker as in production: what its processes share was imported and built before they were forked, and others
    of them take the work of the target, whose lane is paused.
    """
    orders = int(stage.orders * case.orders)
    options = f"{reading.OPTIONS[case.kind]}:orders={orders}:missing_ids=0:fractions=0"
    late = ["--limit", f"{case.kind}=off", "--fault", f"{case.kind}:*:slow:seconds={case.latency}"]
    account = f'{case.account or reading.ACCOUNTS[case.kind]}\nlimit = "{case.rate}/s"'
    with simulated(case.kind, options, *late) as system:
        config = reading.CONFIG.format(redis=stage.redis, kind=case.kind, url=system.url, account=account)
        with (
            harness.configure(stage.home, config) as rt,
            harness.run_processes(harness.default_commands(), os.environ, stage.home),
        ):
            rt.lanes["sink"].pause("only reading is measured")
            until = time.monotonic() + 60 + 5 * orders / case.orders / case.rate
            while int(rt.lanes["sink"].status().get("accepted_new", 0)) < orders:
                if time.monotonic() > until:
                    raise click.ClickException("not all orders were read in time")
                time.sleep(0.1)
            times = sorted(float(call["mono"]) for call in system.calls())
    return (len(times) - 1) / (times[-1] - times[0])


def measure(stage: Stage) -> Measured:
    """Measure the polls of three providers that answer late."""
    figures: list[Figure] = []
    for case in CASES:
        name = f"{case.kind}: calls at {1000 * case.latency:.0f} ms, limit {case.rate}/s"
        rates = tuple(stage.alternate({name: lambda case=case: _read(stage, case)})[name])  # type: ignore[misc]
        figures.append(
            Figure(
                name,
                "/s",
                rates,
                goal=f">= {0.95 * case.rate:g}",
                note="a worker with all defaults, whose lane is paused",
            )
        )
    return Measured(figures)

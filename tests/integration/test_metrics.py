"""What Prometheus scrapes: counted in Redis at each scrape, by a real scrape over HTTP."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from support.orders import order
from support.pipeline import ways
from support.programs import tool
from worker.cli import main
from worker.store.orders.lanes import Outcome
from worker.store.orders.ledger import Delivery
from worker.watch.metrics import RedisCollector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from support.pipeline import Make, Way
    from worker.runtime import Runtime


@pytest.fixture
def make(tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "intake.toml"))
    with ways(tmp_path, redis_url, monkeypatch) as start:
        yield start


def exposition(rt: Runtime) -> str:
    registry = CollectorRegistry()
    registry.register(RedisCollector(rt))
    return generate_latest(registry).decode()


def samples(text: str) -> dict[str, float]:
    """By name and the values of its labels, in the order of the labels' names."""
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def carried(make: Make, orders: int) -> Way:
    way = make(orders, limits=["retailcrm=off"]).open()
    way.poll()
    way.deliver_all()
    return way


def test_what_was_carried_is_counted(make: Make) -> None:
    way = carried(make, 12)
    told = samples(exposition(way.rt))
    assert told["intake_up"] == 1
    assert told["intake_provider_records_total[shop]"] >= 12
    assert told["intake_provider_orders_total[poll][shop]"] == 12
    assert told["intake_orders_accepted_total[new][dropday]"] == 12
    assert told["intake_orders_settled_total[delivered][dropday]"] == 12
    assert told["intake_lane_queued[dropday]"] == told["intake_lane_in_flight[dropday]"] == 0
    assert abs(told["intake_provider_last_success_timestamp_seconds[shop]"] - time.time()) < 60
    assert told["intake_limit_requests_total[retailcrm@address]"] >= 1
    assert told["intake_limit_requests_per_second[retailcrm@address]"] == pytest.approx(10 / 1.03, rel=0.01)


def test_how_long_deliveries_took_is_a_histogram_of_the_accepted(make: Make) -> None:
    way = carried(make, 8)
    told = samples(exposition(way.rt))
    assert told["intake_delivery_seconds_count[dropday]"] == 8
    assert told["intake_delivery_seconds_bucket[+Inf][dropday]"] == 8
    assert 0 < told["intake_delivery_seconds_sum[dropday]"] < 8 * 60
    bounds = [value for name, value in told.items() if name.startswith("intake_delivery_seconds_bucket")]
    assert bounds == sorted(bounds)


def test_a_slow_delivery_falls_into_its_bucket(make: Make) -> None:
    way = make(0).open()
    with way.rt.lanes["dropday"].drain() as drain:
        for number, age in ((1, 4_000), (2, 45_000), (3, 90_000_000)):
            way.rt.ledger.accept("dropday", [Delivery(order(str(number)), str(number))], "poll shop")
            way.rt.redis.hincrby(f"intake:order:dropday:shop:{number}", "seen", -age)
            drain.settle([(claim, Outcome("delivered", extra="7")) for claim in drain.claim(1)])
    told = samples(exposition(way.rt))
    counts = [
        told[f"intake_delivery_seconds_bucket[{le}][dropday]"] for le in ("2.0", "5.0", "30.0", "60.0", "86400.0")
    ]
    assert counts == [0, 1, 1, 2, 2]
    assert told["intake_delivery_seconds_count[dropday]"] == 3


def test_what_needs_a_person_is_a_gauge_and_an_alarm(make: Make) -> None:
    way = make(0).open()
    outcomes = (Outcome("hold", "code", "why"), Outcome("bury", "code", "why"), Outcome("doubt", "code", "why"))
    with way.rt.lanes["dropday"].drain() as drain:
        for number, outcome in enumerate(outcomes):
            way.rt.ledger.accept("dropday", [Delivery(order(str(number)), str(number))], "push shop")
            drain.settle([(claim, outcome) for claim in drain.claim(1)])
    told = samples(exposition(way.rt))
    for name, alarm in (("held", "orders_held"), ("dead", "orders_died"), ("in_doubt", "orders_in_doubt")):
        assert told[f"intake_lane_{name}[dropday]"] == 1
        assert told[f"intake_alarm[{alarm}][dropday]"] == 1


def test_no_order_and_nobody_is_in_it(make: Make) -> None:
    way = make(5, limits=["retailcrm=off"]).open()
    way.poll()
    text = exposition(way.rt)
    labels = set(re.findall(r'[{,]([a-z_]+)="', text))
    known = "provider target scope by result outcome queue role what le version name subject"
    assert labels <= set(known.split())
    assert not re.search(r'"shop:[0-9]', text)
    assert "@" not in text.replace("retailcrm@address", "")


def test_a_redis_that_is_away_is_told_as_such_and_no_old_number_with_it(tmp_path: Path, make: Make) -> None:
    way = make(0).open()
    way.rt.redis.connection_pool.connection_kwargs["port"] = 9
    way.rt.redis.connection_pool.disconnect()
    assert samples(exposition(way.rt)) == {"intake_up": 0}


def test_a_scrape_of_fifty_lanes_is_quick(make: Make) -> None:
    way = make(0).open()
    account = way.rt.settings.targets["dropday"]
    way.rt.settings.targets.update({f"t{n}": account.model_copy(update={"name": f"t{n}"}) for n in range(50)})
    for n in range(50):
        deliveries = [Delivery(order(str(number)), str(number)) for number in range(20)]
        way.rt.ledger.accept(f"t{n}", deliveries, "poll shop")
    took = min(samples(exposition(way.rt))["intake_scrape_seconds"] for _ in range(5))
    assert took < 0.1
    assert samples(exposition(way.rt))["intake_lane_queued[t49]"] == 20


def test_prometheus_own_linter_has_nothing_to_say(make: Make) -> None:
    promtool = tool("promtool")
    way = carried(make, 3)
    linted = subprocess.run(
        [promtool, "check", "metrics"], input=exposition(way.rt), text=True, capture_output=True, check=False
    )
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


def test_they_are_served_over_http_until_told_to_stop(make: Make) -> None:
    way = carried(make, 2)
    command = [sys.executable, "-m", "worker.cli", "metrics", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().strip().removeprefix("metrics: ")
        try:
            with urlopen(address, timeout=10) as answer:  # the test's own, on loopback
                assert answer.status == 200
                told = samples(answer.read().decode())
        finally:
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=15)
    assert told["intake_orders_settled_total[delivered][dropday]"] == 2
    assert (process.returncode, "Traceback" in rest) == (0, False)
    assert way.compare().clean


def test_they_can_be_printed_once(make: Make) -> None:
    make(0).open()
    told = CliRunner().invoke(main, ["metrics", "--once"])
    assert samples(told.output)["intake_up"] == 1

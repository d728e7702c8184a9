"""`intake backfill` as a person types it, over real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

import tasks.backfill
from support.pipeline import ways
from worker.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from support.pipeline import Make, Way


@pytest.fixture
def make(tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "intake.toml"))
    monkeypatch.setenv("COLUMNS", "200")
    with ways(tmp_path, redis_url, monkeypatch) as start:
        yield start


def intake(*args: str) -> Result:
    return CliRunner().invoke(main, ["backfill", *args])


def read(way: Way) -> None:
    tasks.backfill.backfill(way.rt, "shop", way.nudge)


def test_a_backfill_is_begun_read_sent_and_told_of(make: Make) -> None:
    way = make(40, limits=["retailcrm=off"]).open()
    told = intake("shop", "--since", "3h", "--yes", "--json")
    assert json.loads(told.output)["state"] == "running", told.output
    assert way.rt.redis.llen("intake.poll") == 1, "a worker was told"
    read(way)
    found = json.loads(intake("shop", "--json").output)
    assert (found["state"], found["read"], found["counts"]["new"]) == ("finished", 1.0, 40)
    assert found["waiting"] == {"dropday": 40}
    assert way.cursor() is None
    way.deliver_all()
    assert way.compare().clean
    way.poll()
    assert way.lane()["queued"] == 0


def test_a_dry_run_counts_and_writes_nothing(make: Make) -> None:
    way = make(30, limits=["retailcrm=off"]).open()
    told = intake("shop", "--since", "3h", "--dry-run")
    assert "30  dropday: new" in told.output
    way.poll()
    way.deliver_all()
    before = sorted(way.rt.redis.keys("*"))
    told = intake("shop", "--since", "3h", "--dry-run")
    assert "30  dropday: known, the same" in told.output
    assert sorted(way.rt.redis.keys("*")) == before
    assert way.rt.lanes["dropday"].later() == 0


def test_a_backfill_is_stopped_resumed_and_not_begun_twice(make: Make) -> None:
    make(5, limits=["retailcrm=off"]).open()
    assert intake("shop", "--since", "2026-01-01", "--until", "2026-02-01", "--yes").exit_code == 0
    other = intake("shop", "--since", "2026-01-02", "--until", "2026-02-01", "--yes")
    assert (other.exit_code, "another range is being read" in other.output) == (1, True)
    assert intake("shop", "--stop").output.startswith("stopped")
    assert intake("shop", "--resume").output.startswith("running")


def test_what_cannot_be_done_is_said_in_words(make: Make) -> None:
    make(1).open()
    assert "shop is no provider" not in intake("shop").output
    assert "begin one: intake backfill shop --since 7d" in intake("shop").output
    assert "nobody is no provider; known are: shop" in intake("nobody").output
    assert "not after --since" in intake("shop", "--since", "2026-02-01", "--until", "2026-01-01").output
    assert "is neither a date nor an age" in intake("shop", "--since", "yesterday").output
    asked = intake("shop", "--since", "7d")
    assert (asked.exit_code, "send to dropday what is not there?" in asked.output) == (1, True)

"""Failpoints do nothing unless armed; armed, they fire where and as often as configured."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.exceptions import ConnectionError  # noqa: A004  # redis-py's own name

from support.http_server import reply
from worker.errors import ConfigError, Uncertain
from worker.failpoints import Failpoint, Failpoints
from worker.http.connection import Connections
from worker.store.redis import catalog
from worker.store.redis.connection import connect
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.http_calls import Make, Serve

    #: Arms failpoints for objects created from now on; returns the folder in which they record that they fired.
    Arm = Callable[[str], Path]


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Arm:
    def set_environment(text: str) -> Path:
        monkeypatch.setenv("INTAKE_FAILPOINTS", text)
        monkeypatch.setenv("INTAKE_FAILPOINTS_DIR", str(tmp_path))
        return tmp_path

    return set_environment


def test_an_unarmed_failpoint_costs_nothing(redis_url: str) -> None:
    with connect(redis_url) as redis:
        assert type(redis) is Redis
    connections = Connections("http://127.0.0.1:9")
    assert "ConnectionCls" not in vars(connections._pool)
    connections.close()


def test_the_redis_client_repeats_a_command_once_after_a_lost_reply(redis: Redis, redis_url: str, arm: Arm) -> None:
    fired = arm("redis:INCRBY:after=lost")
    with connect(redis_url) as failing:
        assert failing.incr("n") == 2
        assert failing.incr("n") == 3
    assert [file.name for file in fired.iterdir()] == ["redis:INCRBY:after.0"]


def test_a_reply_that_is_lost_each_time_raises_an_error(
    redis: Redis, redis_url: str, arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.redis.connection.LONG", 0.5)
    arm("redis:INCRBY:after=lost,times=99")
    with connect(redis_url) as failing, pytest.raises(ConnectionError, match="failpoint"):
        failing.incr("n")
    assert redis.get("n") == "2"


def test_a_script_is_addressed_by_its_name_and_repeated(redis: Redis, redis_url: str, arm: Arm) -> None:
    arm("script:note:after=repeat")
    with connect(redis_url) as failing:
        Scripts(failing)(catalog.NOTE, ["error", "x"], hash="h", counter="failures", forgotten="")
    assert redis.hget("h", "failures") == "2"


def test_redis_is_emptied_between_the_effect_and_its_reply(redis: Redis, redis_url: str, arm: Arm) -> None:
    arm("script:note:after=flush")
    with connect(redis_url) as failing:
        assert Scripts(failing)(catalog.NOTE, ["error", "x"], hash="h", counter="failures", forgotten="") == 1
    assert redis.keys("*") == []


@pytest.mark.parametrize("seconds", [60, -60])
def test_a_clock_step_affects_scripts_processes_and_expiring_keys(
    redis: Redis, redis_url: str, arm: Arm, seconds: int
) -> None:
    arm(f"script:note:after=step,seconds={seconds}")
    redis.set("lease", 1, px=90_000)
    with connect(redis_url) as failing:
        scripts = Scripts(failing)
        failing.zadd("drains", {"d": failing.time()[0] * 1000})
        before = failing.time()[0]
        scripts(catalog.NOTE, ["a", "b"], hash="h", counter="", forgotten="")
        assert abs(failing.time()[0] - before - seconds) <= 1
        assert scripts(catalog.BEAT, members="drains", member="d", lease_ms=10_000, stopping=0) == (
            0 if seconds > 0 else 1
        )
    assert abs(int(redis.pttl("lease")) - (90 - seconds) * 1000) < 1000


def test_a_fault_fires_once_over_all_processes_after_the_skipped_passages(tmp_path: Path) -> None:
    effects: list[float] = []
    first, second = (
        Failpoints(tmp_path, {"p": [Failpoint("note", skip=1, match="^yes", seconds=2.0)]}, {"note": effects.append})
        for _ in range(2)
    )
    for points in (first, second):
        for detail in ("no", "yes", "yes", "yes"):
            assert points.fire("p", detail) == ""
            points.fire("another", detail)
    assert effects == [2.0]


def test_a_called_fault_fires_once_for_each_call_over_all_processes(tmp_path: Path) -> None:
    effects: list[float] = []
    armed = {"p": [Failpoint("note", call="one", seconds=1.0), Failpoint("lost", match="^yes", call="two")]}
    first, second = (Failpoints(tmp_path, armed, {"note": effects.append}) for _ in range(2))
    assert first.fire("p", "yes") == ""
    for _ in range(2):
        (tmp_path / "one").touch()
        (tmp_path / "two").touch()
        time.sleep(0.06)
        assert [first.fire("p", "no"), first.fire("p", "no"), second.fire("p", "yes"), first.fire("p", "yes")] == [
            "",
            "",
            "lost",
            "",
        ]
        assert list(tmp_path.iterdir()) == []
    assert effects == [1.0, 1.0]


def test_a_killed_process_is_dead_before_its_command_is_sent(redis: Redis, redis_url: str, arm: Arm) -> None:
    arm("redis:INCRBY:before=kill")
    code = f"from worker.store.redis.connection import connect; connect({redis_url!r}).incr('n')"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert redis.get("n") is None


def test_a_write_with_a_lost_response_or_cut_before_its_first_byte_is_uncertain(
    serve: Serve, make: Make, arm: Arm
) -> None:
    server = serve(lambda _: reply())
    arm("http:write:after=lost")
    with pytest.raises(Uncertain):
        make(server.url).write("POST", "/orders", json={})
    arm("http:write:before=cut")
    with pytest.raises(Uncertain):
        make(server.url).write("POST", "/orders", json={})
    assert len(server.requests) == 1


def test_a_server_that_does_not_know_the_flags_of_scripts_is_refused_in_words(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis 6.2 takes the first line of a script for Lua."""
    monkeypatch.setattr("worker.store.redis.scripts.lua_source", lambda _: "# flags\nreturn 1")
    with pytest.raises(ConfigError, match=r"redis\.url: Redis is older than 7\.0, .*Use Redis 7\.0 or newer"):
        Scripts(redis)(catalog.NOTE, ["error", "x"], hash="h", counter="failures", forgotten="")

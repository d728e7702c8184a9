"""The broker behind Sentinels: it takes messages while it is full, and a consumer that waits follows the master."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Queue
from redis import Redis

from chaos.forgetful import wait_until
from chaos.sentinels import Sentinels
from worker.app.broker import redis_broker
from worker.app.transport import install

if TYPE_CHECKING:
    from pathlib import Path

QUEUE = Queue("intake.probe", routing_key="intake.probe")


class Consumer:
    """A consumer that connects again after what kombu calls an error of the connection, as a worker does."""

    def __init__(self, url: str) -> None:
        self._settings = redis_broker(url)
        self.received, self.lost = list[Any](), list[str]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def connect(self) -> Connection:
        options = self._settings["broker_transport_options"]
        return Connection(self._settings["broker_url"], transport_options=options)

    def send(self, text: str) -> None:
        with self.connect() as connection, connection.Producer() as producer:
            producer.publish(text, routing_key=QUEUE.name, declare=[QUEUE])

    def _receive(self, body: Any, message: Any) -> None:
        self.received.append(body)
        message.ack()

    def _run(self) -> None:
        while not self._ended.is_set():
            with self.connect() as connection:
                errors: tuple[type[BaseException], ...] = connection.connection_errors
                try:
                    with connection.Consumer([QUEUE], callbacks=[self._receive]):
                        while not self._ended.is_set():
                            with suppress(TimeoutError):
                                connection.drain_events(timeout=1)
                except errors as error:
                    self.lost.append(type(error).__name__)
                    self._ended.wait(0.2)

    def stop(self) -> bool:
        """Stop it; return whether it had not ended by itself."""
        alive = self._thread.is_alive()
        self._ended.set()
        self._thread.join(10)
        return alive


@pytest.mark.repeat
@pytest.mark.timeout(120)
def test_a_consumer_follows_the_master_of_a_full_redis(tmp_path: Path) -> None:
    """Let the master become a replica while the consumer waits there.

    In `make test`, `test_the_broker_declares_sends_and_receives` sees a full Redis; a master that changes is followed
    only here.
    """
    install()
    with Sentinels(tmp_path, replicas=1, watchers=1) as sentinels:
        consumer = Consumer(sentinels.url)
        consumer.send("1")
        wait_until(lambda: consumer.received == ["1"])
        for port in sentinels.servers:
            with Redis(port=port) as redis:
                redis.config_set("maxmemory", 1)
        consumer.send("2")
        wait_until(lambda: consumer.received == ["1", "2"])
        former = sentinels.master()
        with Redis(port=sentinels.watchers[0], decode_responses=True) as watcher:
            watcher.execute_command("SENTINEL FAILOVER intake")
        wait_until(lambda: sentinels.master() not in {0, former})
        wait_until(lambda: bool(consumer.lost))
        consumer.send("3")
        wait_until(lambda: "3" in consumer.received)
        assert consumer.stop()
    assert consumer.received == ["1", "2", "3"]
    assert set(consumer.lost) <= {"ConnectionError", "TimeoutError"}

"""Lines of Celery and Flower about a connection that fails name the state of Redis, in one whole sentence."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisAway

from worker.app import connection_log

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The texts with which they report it (`celery/worker/consumer/consumer.py`, `celery/beat.py`, `flower/events.py`).
TEXTS = (
    ("celery.worker.consumer.consumer", "consumer: Cannot connect to %s: %s.\n%s\n", ("redis://host", "", "Again.")),
    ("celery.beat", "beat: Connection error: %s. Trying again in %s seconds...", ("", 2.0)),
    ("flower.events", "Failed to capture events: '%s', trying again in %s seconds.", ("", 2)),
)


@pytest.fixture(autouse=True)
def _reworded() -> Iterator[None]:
    connection_log.reword()
    yield
    for name in connection_log._LOGGERS:
        logging.getLogger(name).filters.clear()


@pytest.mark.parametrize(("name", "text", "arguments"), TEXTS)
def test_the_error_is_named_in_a_sentence_with_one_full_stop(
    name: str, text: str, arguments: tuple[object, ...], caplog: pytest.LogCaptureFixture
) -> None:
    error = RedisAway("Error 111 connecting to host:6379. Connection refused.")
    logging.getLogger(name).error(text, *(argument or error for argument in arguments))
    (line,) = caplog.messages
    assert "Redis does not respond: nothing listens at this address. Start it" in line
    assert "or correct redis.url" in line
    assert ".." not in line.replace("...", "")

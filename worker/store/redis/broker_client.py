"""The client of Redis for the broker: a Redis that is full still takes its messages."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError, OutOfMemoryError, ResponseError  # noqa: A004  # redis-py's own name

from worker.errors import StoreFrozen, StoreFull
from worker.store.redis import catalog
from worker.store.redis.connection import takes_no_writes
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: The length from which a queue of a full Redis takes no message: more than there are nudges of 1,000 accounts.
MOST_MESSAGES: Final = 5000


#: Seconds that the worker waits before it connects again to a Redis that takes no writes.
PAUSE: Final = 0.5


@contextmanager
def _lost_where_frozen() -> Iterator[None]:
    """Raise ConnectionError for a Redis that takes no writes at all: the worker ends by what it does not expect.

    It connects again, also to another server: its master may be a replica now, and Sentinels name the new one.
    """
    try:
        yield
    except ResponseError as error:
        if not takes_no_writes(error):
            raise
        time.sleep(PAUSE)
        raise ConnectionError(str(error)) from None


class BrokerClient(Redis):
    """A client that repeats a command which a full Redis refused, in a script that may write.

    A message of the broker is small, and is gone as soon as a worker took it. Without messages no worker delivers
    anything, and nothing makes room.
    """

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Read a response, also of a command that was sent before, as the transport sends BRPOP."""
        with _lost_where_frozen():
            return super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command."""
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
        except OutOfMemoryError:
            return self.write([args])[0]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002  # redis-py's signature
        """Return a pipeline that does the same."""
        return _BrokerPipeline(self, transaction, shard_hint)

    def write(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Run commands in a script that may write while Redis is full. Raise OutOfMemoryError for too long a queue."""
        encode = self.get_encoder().encode
        items = [
            json.dumps([encode(word).decode() for word in words])  # type: ignore[no-untyped-call]  # redis-py's
            for words in commands
        ]
        scripts = Scripts(Redis(connection_pool=self.connection_pool))
        try:
            return list(scripts(catalog.WRITE, items, most=MOST_MESSAGES))
        except StoreFrozen as frozen:
            raise ConnectionError(str(frozen)) from None
        except StoreFull as full:
            raise OutOfMemoryError(str(full)) from None  # the error that kombu knows


class _BrokerPipeline(Pipeline):
    def __init__(self, client: BrokerClient, transaction: bool, shard_hint: str | None) -> None:  # noqa: FBT001  # redis-py's signature
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._client = client

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  # redis-py's signature
        """Run the commands of the pipeline; a transaction that a full Redis refused has run none of them."""
        commands = [words for words, _ in self.command_stack]
        with _lost_where_frozen():
            try:
                return super().execute(raise_on_error)
            except OutOfMemoryError:
                return self._client.write(commands)

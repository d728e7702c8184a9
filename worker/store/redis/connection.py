"""The connection to Redis."""

from __future__ import annotations

import re
from typing import Final, Literal

from redis import Redis
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,  # noqa: A004  # redis-py's own name
    DataError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004  # redis-py's own name
)

from worker.errors import StoreFrozen, StoreFull
from worker.store.redis.address import RedisAddress
from worker.store.redis.diagnosis import direct_state
from worker.store.redis.failpoints import with_failpoints
from worker.store.redis.timed_retry import TimedRetry

#: The errors of a Redis that is unreachable or full, or refuses us.
ERRORS: tuple[type[Exception], ...] = (RedisError,)
#: The error for a command that the user has no permission for.
FORBIDDEN: type[Exception] = NoPermissionError
#: What a server says about the values of a command, or about a step of a script that they made fail. A key of a wrong
#: type is no fault of the values.
_OF_VALUES: Final = re.compile(r"(?is)(?!WRONGTYPE).*(?:user_script|Protocol error|maximum allowed size)")
#: The states in which nothing new is accepted.
_NO_ROOM: Final = frozenset({"full", "not_saving", "no_replicas", "replica"})
#: How long a failed command is repeated.
Patience = Literal["long", "short"]
#: The seconds of "long" and "short" patience.
LONG, SHORT = 6.0, 0.5
#: Seconds that one response may take: a script takes under a millisecond, so a slower server is dead. It is given up
#: sooner if a person waits.
TIMEOUT, SHORT_TIMEOUT = 5.0, 1.5


def as_store_full(error: ResponseError) -> StoreFull | None:
    """Return StoreFull for the error of a Redis that accepts no writes now; None for any other error."""
    state = direct_state(error)
    if state is None or state.name not in _NO_ROOM:
        return None
    return (StoreFull if state.name == "full" else StoreFrozen)(state.sentence, state.remedy)


def takes_no_writes(error: ResponseError) -> bool:
    """Return whether Redis takes no writes at all now, or has just become a replica while we waited there."""
    return isinstance(as_store_full(error), StoreFrozen) or str(error).startswith("UNBLOCKED")


def refuses_values(error: Exception) -> bool:
    """Return whether Redis, or its client, refused the values of one command: others may be accepted."""
    return isinstance(error, DataError) or (type(error) is ResponseError and bool(_OF_VALUES.match(str(error))))


def connect(url: str, *, text: Literal["decoded", "raw"] = "decoded", patience: Patience = "long") -> Redis:
    """Connect to `url`; responses are decoded to text, or raw bytes for data that anybody may have written.

    A failed command is repeated for six seconds (`LONG`): as long as a restart of the server, and less than a lease. A
    server that is silent is given up within two timeouts. Every script may be repeated (each says how), so a lost
    response costs nothing. If a person or a client waits and can try again, `patience` is short.
    """
    return RedisAddress.parse(url).client(
        with_failpoints(Redis),
        decode_responses=text == "decoded",
        socket_timeout=TIMEOUT if patience == "long" else SHORT_TIMEOUT,
        socket_connect_timeout=2.0 if patience == "long" else 1.0,
        socket_keepalive=True,
        health_check_interval=30,
        retry=TimedRetry(LONG if patience == "long" else SHORT),
        # A replica is asked again over a new connection: its address may lead to the master meanwhile.
        retry_on_error=[BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError],
    )

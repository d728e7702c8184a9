"""Name the state of a Redis from the error that it caused, in the words of `worker/store/redis/states.py`."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError

from worker.store.redis.states import NO_WRITES, STATES, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

#: Seconds that a server has for each step of a closer look.
_SECONDS: Final = 1.0
#: How the alert begins with which a TLS server refuses what is not TLS.
_ALERT: Final = b"\x15\x03"
_CODE: Final = re.compile(r"[A-Z]{3,}\b")


def state_of(error: BaseException, redis: Redis | None = None) -> State:
    """Return the state of the Redis that caused `error`, also of a library's error that one of Redis caused.

    With its client, the server is asked where the error leaves a question: whether it speaks TLS only, and what its
    Sentinels answer.
    """
    causes = list(_causes(error))
    # redis-py reports the same as a host that cannot be reached.
    causes.sort(key=lambda cause: not STATES["no_handshake"].pattern.search(str(cause)))
    for cause in causes:
        if state := direct_state(cause):
            return state if redis is None else _look_closer(state, redis)
    code = _CODE.match(str(error))
    name = code[0] if code else type(error).__name__
    return State("unknown", _CODE, f"Redis responded with an error ({name})", "Check the log of Redis.")


def direct_state(error: BaseException) -> State | None:
    """Return the state that this error alone names; None if it names none."""
    code = getattr(error, "status_code", None)
    # The text of this one is that of its client, with all its options.
    text = "" if isinstance(error, MasterNotFoundError) else str(error)
    texts = (text if code in {None, "ERR"} else f"{code} {text}", type(error).__name__)
    states = STATES.values()
    return next((state for text in texts for state in states if _matches(state, text)), None)


def _matches(state: State, text: str) -> bool:
    return state.sentence == text or bool(state.pattern.search(text))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def refusal(redis: Redis) -> State | None:
    """Return why Redis takes no writes, or None if it does; nothing is written. Raise the error of one that is away."""
    try:
        # Redis refuses this as it refuses any command that may need memory. An empty text makes no key.
        redis.setrange("intake:probe", 0, "")
    except RedisError as error:
        state = state_of(error)
        if state.name in NO_WRITES:
            return state
        raise
    return None


def _look_closer(state: State, redis: Redis) -> State:
    pool: Any = redis.connection_pool
    if state.name == "no_master" and hasattr(pool, "sentinel_manager"):
        for sentinel in pool.sentinel_manager.sentinels:
            try:
                sentinel.ping()
            except RedisError as error:
                found = state_of(error, sentinel)
                return replace(found, sentence=f"a Sentinel cannot be asked: {found.sentence}")
    place = pool.connection_kwargs
    files = (place.get(name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"))
    if not all(os.access(file, os.R_OK) for file in files if file):
        return STATES["no_file"]
    if state.name == "closed" and "host" in place and _speaks_tls(place["host"], int(place["port"])):
        return STATES["tls_only"]
    return state


def _speaks_tls(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), _SECONDS) as connection:
            connection.settimeout(_SECONDS)
            connection.sendall(b"PING\r\n")
            return connection.recv(2) == _ALERT
    except OSError:
        return False

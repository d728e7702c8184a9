"""The Lua scripts, each one atomic move of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError
from redis.sentinel import SentinelConnectionPool

from worker.errors import StoreFull
from worker.store.redis.connection import as_store_full
from worker.store.redis.lua_source import lua_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis
    from redis.client import Pipeline
    from redis.commands.core import Script

#: What `EVALSHA` takes.
Argument = str | int | float | bytes
#: Milliseconds that a replica has to take in what was written; it takes one or two.
_REPLICATED_MS = 1000


class Scripts:
    """The scripts of one Redis connection; loaded by the server on first use, and again if it forgot them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._registered: dict[str, Script] = {}

    def __call__(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run the script `lua/NAME.lua`."""
        try:
            return self._script(name)(keys=list(keys), args=list(args))
        except ResponseError as error:
            if full := as_store_full(error):
                raise full from None
            raise

    def enqueue(self, pipe: Pipeline, name: str, keys: Sequence[str], args: Sequence[Argument]) -> None:
        """Put the script into a pipeline."""
        self._script(name)(keys=list(keys), args=list(args), client=pipe)

    def run_replicated(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run the script; behind Sentinels, come back only when a replica has what it wrote: it outlives a failover.

        Raises StoreFull if no replica has it in time; then it may be forgotten, and nothing may be built on it.
        """
        if not isinstance(self._redis.connection_pool, SentinelConnectionPool):
            return self(name, keys, args)
        # One connection for both: WAIT counts what was written on its own.
        with self._redis.pipeline(transaction=False) as pipe:
            self.enqueue(pipe, name, keys, args)
            pipe.wait(1, _REPLICATED_MS)
            # redis-py would put words of its own before those of the server.
            answer, replicas = pipe.execute(raise_on_error=False)
        if isinstance(answer, ResponseError):
            raise as_store_full(answer) or answer
        if not replicas:
            raise StoreFull("no replica of Redis keeps up")
        return answer

    def _script(self, name: str) -> Script:
        script = self._registered.get(name)
        if script is None:
            script = self._registered[name] = self._redis.register_script(lua_source(name))
        return script

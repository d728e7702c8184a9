"""Runs the Lua scripts, each one atomic move of the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoScriptError, ResponseError

from worker.errors import ConfigError
from worker.store.redis.connection import as_store_full
from worker.store.redis.lua_source import MAY_WRITE, lua_source
from worker.store.redis.receipts import current_receipts
from worker.store.redis.witness import host_time, note_return, witness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis
    from redis.client import Pipeline
    from redis.commands.core import Script as Loaded

    from worker.store.redis.catalog import Argument, Script

#: The key of the receipts outside of a run: nothing is ever there. A user of Redis may need permission for every key.
_NO_KEY: Final = "intake:receipts:"
_TOO_OLD: Final = ("Redis is older than 7.0, and cannot run the scripts", "Use Redis 7.0 or newer, or Valkey.")


class Scripts:
    """The scripts of one Redis connection; the server loads each on first use, and again if it forgot it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._loaded: dict[Script, Loaded] = {}

    def __call__(self, script: Script, items: Sequence[Argument] = (), /, **named: Argument) -> Any:
        """Run a script with its keys and arguments by name, then the values of its `items`.

        The receipts of the current run are added: a script that fails leaves none, and a repeated one leaves one.

        Raises:
            StoreFull: Redis accepts no writes.
            ConfigError: Redis does not know what the scripts begin with: flags came with Redis 7.0.
            TypeError: A name is missing or unknown.
        """
        run = current_receipts()
        if script.leaves_receipt:
            named |= {"receipts": run.key, "receipt": run.count + 1} if run else {"receipts": _NO_KEY, "receipt": 0}
        elif script.demands_receipts:
            named |= {"receipts": run.key if run else _NO_KEY, "receipt_count": run.count if run else 0}
        try:
            keys, args = script.arrange(named, items)
            sent = host_time()
            response = self._load(script)([*keys, witness(self._redis)], args)
            note_return(self._redis, script.name, sent)
        except ResponseError as error:
            if full := as_store_full(error):
                raise full from None
            if "Error compiling script" in str(error):
                raise ConfigError("the server", "redis.url", *_TOO_OLD) from None
            raise
        if run and script.leaves_receipt:
            run.count += 1
        return response

    def enqueue(self, pipe: Pipeline, script: Script, items: Sequence[Argument] = (), /, **named: Argument) -> None:
        """Add a script to a pipeline."""
        keys, args = script.arrange(named, items)
        self._load(script)([*keys, witness(self._redis)], args, client=pipe)

    def timed(self, script: Script, items: Sequence[Argument] = (), /, **named: Argument) -> tuple[float, Any]:
        """Run a script as a call does; return when it was sent (`time.monotonic`), and its response."""
        return time.monotonic(), self(script, items, **named)

    @staticmethod
    def responses(pipe: Pipeline) -> list[Any]:
        """Run a pipeline; return the response of each command, or its error: StoreFull if Redis accepts no writes."""
        commands, scripts = list(pipe.command_stack), set(pipe.scripts)
        responses = pipe.execute(raise_on_error=False)
        if any(isinstance(response, NoScriptError) for response in responses):
            # The server was started again after it was asked for the scripts; each of them may be repeated.
            pipe.command_stack, pipe.scripts = commands, scripts
            responses = pipe.execute(raise_on_error=False)
        return [(isinstance(each, ResponseError) and as_store_full(each)) or each for each in responses]

    @staticmethod
    def execute(pipe: Pipeline) -> list[Any]:
        """Run a pipeline; return the response of each command. Raise StoreFull, or the first error, as a call does."""
        responses = Scripts.responses(pipe)
        for response in responses:
            if isinstance(response, Exception):
                raise response
        return responses

    def _load(self, script: Script) -> Loaded:
        loaded = self._loaded.get(script)
        if loaded is None:
            text = MAY_WRITE * script.while_full + lua_source(script.name)
            loaded = self._loaded[script] = self._redis.register_script(text)
        return loaded

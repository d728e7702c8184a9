"""A client of the simulated Redis: redis-py's own, with another connection."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError, NoScriptError, ResponseError  # noqa: A004  # redis-py's own name

from simulation.server import name_of

if TYPE_CHECKING:
    from simulation.network import Wire

#: Attempts of redis-py, and the seconds between them: see worker/store/redis/connection.py.
TRIES: Final = 3
PAUSES: Final = (0.5, 1.0)


class Client(Redis):
    """The client that `worker.store.redis.connection.connect` would return, over a simulated wire."""

    wire: Wire
    decodes: bool

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command, with redis-py's retries."""
        return self.answer(args, options)

    def register_script(self, script: Any) -> Any:
        """Return a callable script like redis-py's own, without its checks of argument types."""
        sha = _digest(script)

        def run(keys: Any = (), args: Any = (), client: Any = None) -> Any:
            words = ("EVALSHA", sha, len(keys), *keys, *args)
            if client is not None:
                client.texts[sha] = script
                return client.execute_command(*words)
            return self.run(words, script)

        return run

    def run(self, words: tuple[Any, ...], script: Any) -> Any:
        """Run a script, which the server may have to be sent first."""
        try:
            return self.answer(words, {})
        except NoScriptError:
            self.answer(("SCRIPT LOAD", script), {})
            return self.answer(words, {})

    def answer(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Run one command and return its reply as redis-py does."""
        reply = self._tried(tuple([arg.encode() if type(arg) is str else _word(arg) for arg in args]))
        if self.decodes:
            reply = _decoded(reply)
        # Every name is in upper case here: redis-py's own look-up converts it each time.
        if callback := dict.get(self.response_callbacks, args[0]):
            options.pop("keys", None)
            return callback(reply, **options)
        return reply

    def _tried(self, words: tuple[bytes, ...]) -> Any:
        for tried in range(TRIES):
            try:
                return self.wire.command(words, name_of(words))
            except ConnectionError:
                if tried + 1 == TRIES:
                    raise
                self.wire.sleep(PAUSES[tried])
        return None

    def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> _Pipeline:  # noqa: FBT002
        """Return a pipeline; its commands run together, without other commands in between."""
        pipe = _Pipeline(self.connection_pool, self.response_callbacks, transaction, None)
        pipe.sender, pipe.texts = self, {}
        return pipe


class _Pipeline(Pipeline):
    sender: Client
    #: The texts of the scripts by digest.
    texts: dict[Any, Any]

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self.pipeline_execute_command(*args, **options)

    def execute(self, raise_on_error: Any = True) -> list[Any]:  # noqa: FBT002
        commands, self.command_stack = self.command_stack, []
        return [self._answer(args, options, raise_on_error) for args, options in commands]

    def _answer(self, args: tuple[Any, ...], options: dict[str, Any], raise_on_error: Any) -> Any:
        try:
            if args[0] == "EVALSHA":
                return self.sender.run(args, self.texts[args[1]])
            return self.sender.answer(args, options)
        except ResponseError as error:
            if raise_on_error:
                raise
            return error


@cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode()).hexdigest()


def _word(value: Any) -> bytes:
    """Return an argument as redis-py sends it."""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else repr(value).encode()


def _decoded(reply: Any) -> Any:
    if type(reply) is bytes:
        return reply.decode()
    return [_decoded(item) for item in reply] if type(reply) is list else reply

"""A Redis client that fails at armed failpoints."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from redis.client import Pipeline
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004  # redis-py's own name

from worker.failpoints import Failpoints, armed_failpoints
from worker.store.redis.lua_source import MAY_WRITE, lua_names, lua_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis
    from redis.commands.core import Script

#: The key that holds how far a stepped clock is ahead, in milliseconds.
AHEAD: Final = "failpoints:ahead"
_TIME: Final = "redis.call('TIME')"
#: The same command, on the stepped clock.
_STEPPED: Final = (
    "(function() local t = redis.call('TIME'); local us = t[1] * 1000000 + t[2] + "
    f"(tonumber(redis.call('GET', '{AHEAD}')) or 0) * 1000; "
    "return {math.floor(us / 1000000), us % 1000000} end)()"
)
#: Stepping the clock expires keys early: Redis stores the time of expiry, not the time left.
STEP: Final = """
redis.call('INCRBY', KEYS[1], ARGV[1])
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left > 0 then redis.call('PEXPIRE', key, math.max(0, left - ARGV[1])) end
end
"""
#: Copy this database into another one, whose number is ARGV[1], and back.
SNAPSHOT: Final = """
redis.call('SELECT', ARGV[1]) redis.call('FLUSHDB') redis.call('SELECT', ARGV[2])
for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', ARGV[1]) end
"""
FORGET: Final = """
redis.call('FLUSHDB') redis.call('SELECT', ARGV[1])
for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', ARGV[2]) end
"""


def with_failpoints(kind: type[Redis]) -> type[Redis]:
    """Return the client class `kind`; if a failpoint is armed, a subclass that fires before and after each effect."""
    points = armed_failpoints()
    return _failing(kind, points) if points else kind


@cache
def _names() -> dict[str, str]:
    """Return the names of the scripts by their text."""
    return {text: name for name in lua_names() for text in (lua_source(name), MAY_WRITE + lua_source(name))}


def _actions(redis: Redis) -> dict[str, Callable[[float], object]]:
    """Return what the faults do to this Redis; "save" comes before a step that "forget" undoes."""
    copy = 1 + os.getpid() % 15
    return {
        "flush": lambda _: redis.flushall(),
        "save": lambda _: redis.eval(SNAPSHOT, 0, copy, 0),
        "forget": lambda _: redis.eval(FORGET, 0, copy, 0),
        "step": lambda seconds: redis.eval(STEP, 1, AHEAD, round(seconds * 1000)),
    }


class _OneByOne(Pipeline):
    """A pipeline whose commands run one after the other, so that each of them passes its failpoints."""

    def __init__(self, client: Redis, pipe: Pipeline) -> None:
        super().__init__(pipe.connection_pool, pipe.response_callbacks, transaction=False, shard_hint=None)
        self._client = client
        self._run: Callable[..., Any] = client.execute_command

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  # redis-py's own signature
        """Run the commands; errors of the server take the places of responses unless `raise_on_error`."""
        commands, scripts, responses = self.command_stack, self.scripts, list[Any]()
        self.reset()
        for script in scripts:
            self._client.script_load(script.script)
        for args, options in commands:
            try:
                responses.append(self._run(*args, **options))
            except ResponseError as error:
                if raise_on_error:
                    raise
                responses.append(error)
        return responses


def _stepped_time(execute: Callable[..., Any]) -> tuple[int, int]:
    """Return the time of the stepped clock, as the scripts see it."""
    seconds, micros = execute("TIME")
    ahead = execute("GET", AHEAD)
    micros += seconds * 1_000_000 + int(ahead or 0) * 1000
    return micros // 1_000_000, micros % 1_000_000


def _one_by_one(client: Redis, pipe: Pipeline, *, transaction: bool) -> Pipeline:
    return pipe if transaction else _OneByOne(client, pipe)


def _failing(kind: type[Redis], points: Failpoints) -> type[Redis]:
    stepped = any(fault.fault == "step" for faults in points.armed.values() for fault in faults)
    now = threading.local()
    scripts: dict[str, str] = {}

    class Failing(kind):  # type: ignore[misc, valid-type]  # Redis or a subclass
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            points.actions |= _actions(self)

        def register_script(self, script: Any) -> Script:
            registered: Script = super().register_script(script.replace(_TIME, _STEPPED) if stepped else script)
            scripts[registered.sha] = _names()[script]
            return registered

        def execute_command(self, *args: Any, **options: Any) -> Any:
            if args[0] == "TIME" and stepped:
                return _stepped_time(super().execute_command)
            point = f"script:{scripts.get(args[1])}" if args[0] == "EVALSHA" else f"redis:{args[0]}"
            if points.fire(f"{point}:before") == "lost":
                raise ConnectionError("failpoint")
            if points.forgets(point):
                points.actions["save"](0.0)
            now.point, now.again = point, False
            answer = super().execute_command(*args, **options)
            return super().execute_command(*args, **options) if now.again else answer

        def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
            """Fire after the effect took place, before redis-py sees the response: a lost response makes it repeat."""
            answer = super().parse_response(connection, command_name, **options)
            point = getattr(now, "point", "")
            fault = points.fire(f"{point}:after", answer)
            now.again = fault == "repeat"
            if fault == "lost":
                raise ConnectionError("failpoint")
            return answer

        def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> Pipeline:  # noqa: FBT002  # redis-py's own
            return _one_by_one(self, super().pipeline(transaction, shard_hint), transaction=bool(transaction))

    return Failing

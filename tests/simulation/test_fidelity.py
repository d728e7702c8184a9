"""The simulated Redis replies to every command of a history as a real server does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulation.history import history
from support.redis_text import command
from worker.store.redis.catalog import ACCEPT_KNOWN
from worker.store.redis.lua_source import MAY_WRITE, lua_names, lua_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from simulation.world import World

#: The key from which a script reads the clock on the real server.
NOW = "simulation:now"
_TIME = "redis.call('TIME')"
_GIVEN = f"(function() local us = redis.call('GET', '{NOW}'); return {{math.floor(us / 1000000), us % 1000000}} end)()"


def commands_of(seed: int) -> list[tuple[int, tuple[bytes, ...], Any, list[bytes]]]:
    """Return the commands of a history: the time, the words, the reply, and the keys that expired since the last."""
    commands: list[tuple[int, tuple[bytes, ...], Any, list[bytes]]] = []

    def listen(world: World) -> None:
        def note(words: tuple[bytes, ...], reply: Any) -> None:
            ended, world.server.keys.ended = world.server.keys.ended, []
            commands.append((world.server.keys.now(), words, reply, ended))

        world.server.listener = note
        # The real server cannot become another one.
        world.faults.great = [kind for kind in world.faults.great if kind != "failover"]

    result = history(seed, 120, change=listen)
    assert not result.wrong
    return commands


def on_given_time(redis: Redis) -> dict[bytes, str]:
    """Load our scripts on the real server, changed to read the time from a key; return their digests there, by ours."""
    digests = {}
    known = MAY_WRITE + lua_source(ACCEPT_KNOWN.name)
    for source in (known, *map(lua_source, lua_names())):
        sha = redis.register_script(source).sha.encode()
        digests[sha] = redis.script_load(source.replace(_TIME, _GIVEN))
    return digests


def ordered(name: str, reply: Any) -> Any:
    """Return the reply; the fields of a hash have no order."""
    return dict(zip(reply[::2], reply[1::2], strict=True)) if name == "HGETALL" else reply


@pytest.mark.parametrize("seed", [4, *(pytest.param(seed, marks=pytest.mark.repeat) for seed in (3, 9))])
def test_a_real_server_replies_alike_to_every_command_of_a_history(redis: Redis, raw: Redis, seed: int) -> None:
    scripts = on_given_time(redis)
    raw.response_callbacks.clear()
    for number, (now, words, reply, ended) in enumerate(commands_of(seed)):
        name = words[0].decode()
        if name in {"TIME", "SCRIPT LOAD", "ZRANDMEMBER"}:
            continue
        if ended:
            command(raw, "DEL", *ended)
        command(raw, "SET", NOW, now)
        given: Sequence[bytes | str] = (scripts[words[1]], *words[2:]) if name == "EVALSHA" else words[1:]
        answer = command(raw, name, *given)
        assert ordered(name, answer) == ordered(name, reply), f"command {number}: {words}"

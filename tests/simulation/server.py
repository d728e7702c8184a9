"""A Redis in this process: its scripts run in the Lua that Redis runs, its clock is the simulation's."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lupa import lua51
from redis.exceptions import NoScriptError, OutOfMemoryError

from simulation.keyspace import Keyspace
from worker.store.redis.lua_source import lua_names, lua_source

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from simulation.kept import Reply

#: Commands that a full Redis refuses, of those that are sent outside of scripts.
_GROW: Final = frozenset({b"SET", b"SETNX", b"HSET", b"LPUSH", b"ZADD"})
#: The first line of a script that a full Redis runs: what writes nothing is allowed to.
_ALLOWED: Final = ("#!lua flags=allow-oom", "#!lua flags=no-writes")


@cache
def _engine() -> Any:
    """One Lua for all histories: the scripts keep nothing in it. It makes no file and no process of its own."""
    lua = lua51.LuaRuntime(encoding=None, register_eval=False)
    lua.execute(b"redis = {}; os = nil; io = nil; python = python; math.randomseed = nil")
    lua.globals()[b"redis"][b"sha1hex"] = lambda value: hashlib.sha1(_sent(value)).hexdigest().encode()
    lua.globals()[b"cmsgpack"] = lua.execute(Path(__file__).with_name("cmsgpack.lua").read_bytes())
    return lua


@cache
def _scripts() -> dict[bytes, tuple[str, bool, Any]]:
    """Each script of ours by its digest: its name, whether a full Redis runs it, and itself."""
    found = {}
    for name in lua_names():
        source = lua_source(name)
        found[_digest(source)] = _compiled(name, source)
    return found


def _digest(source: str) -> bytes:
    return hashlib.sha1(source.encode()).hexdigest().encode()


def _compiled(name: str, source: str) -> tuple[str, bool, Any]:
    allowed = source.startswith(_ALLOWED)
    body = "--" + source if source.startswith("#!") else source
    return name, allowed, _engine().eval(f"function(KEYS, ARGV) {body}\nend".encode())


def _sent(value: Any) -> bytes:
    """What `redis.call` makes of an argument."""
    if isinstance(value, bytes):
        return value
    return b"%d" % value if isinstance(value, int) else b"%.17g" % value


class Server:
    """One Redis: `run` takes a command as its words and gives the answer of RESP2."""

    def __init__(self, now: Callable[[], int], chance: random.Random) -> None:
        self.keys = Keyspace(now, chance)
        self.full = False
        #: Told of each command, and of its answer.
        self.heard: Callable[[tuple[bytes, ...], Reply], None] | None = None
        # The newest one is the one that scripts speak to: histories come one after the other.
        _engine().globals()[b"redis"][b"call"] = self._call
        self._known: set[bytes] = set()
        #: Scripts that are run in place of ours, by name: a planted bug.
        self.planted: dict[str, Any] = {}

    def plant(self, name: str, source: str) -> None:
        """Run another text for the script `name`."""
        self.planted[name] = _compiled(name, source)[2]

    def run(self, *words: bytes) -> Reply:
        """Run one command or script."""
        reply = self._ran(words)
        if self.heard is not None:
            self.heard(words, reply)
        return reply

    def look(self, name: str, *args: bytes) -> Reply:
        """What a script without keys answers, seen by nobody; for whoever judges."""
        script = next(script for known, _, script in _scripts().values() if known == name)
        reply: Reply = _answered(script(_engine().table_from([]), _engine().table_from(args)))
        return reply

    def _ran(self, words: tuple[bytes, ...]) -> Reply:
        name = words[0]
        if name == b"EVALSHA":
            return self._script(words)
        if name == b"SCRIPT LOAD":
            self._known.add(_digest(words[1].decode()))
            return _digest(words[1].decode())
        if self.full and name in _GROW:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        return self.keys.call(*words)

    def _script(self, words: tuple[bytes, ...]) -> Reply:
        if words[1] not in self._known:
            raise NoScriptError("No matching script.")
        name, allowed, script = _scripts()[words[1]]
        if self.full and not allowed:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        count = int(words[2]) + 3
        lua = _engine()
        answer = self.planted.get(name, script)(lua.table_from(words[3:count]), lua.table_from(words[count:]))
        reply: Reply = _answered(answer)
        return reply

    def _call(self, name: bytes, *args: Any) -> Any:
        reply = self.keys.call(name, *[it if type(it) is bytes else _sent(it) for it in args])
        return reply if type(reply) is bytes else _told(reply)


def _told(reply: Reply) -> Any:
    """What a script sees of an answer."""
    if reply is None:
        return False
    if type(reply) is list:
        return _engine().table_from([it if type(it) is bytes else _told(it) for it in reply])
    return reply


def name_of(words: tuple[bytes, ...]) -> str:
    """What a command is called in a history: a script by its name."""
    return _scripts()[words[1]][0] if words[0] == b"EVALSHA" else words[0].decode()


def _answered(value: Any) -> Any:
    """What Redis makes of a script's answer."""
    if value is None or value is False:
        return None
    if value is True:
        return 1
    if isinstance(value, (bytes, int)):
        return value
    if isinstance(value, float):
        return int(value)
    return [_answered(value[n]) for n in range(1, len(value) + 1)]

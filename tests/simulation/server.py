"""A simulated Redis in this process: scripts run in the Lua version of Redis, on the simulated clock."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lupa import lua51
from redis.exceptions import NoScriptError, OutOfMemoryError

from simulation.keyspace import Keyspace
from worker.store.redis.catalog import ACCEPT_KNOWN
from worker.store.redis.lua_source import MAY_WRITE, lua_names, lua_source

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from simulation.kept import Reply

#: Commands outside of scripts that a full Redis refuses.
_GROW: Final = frozenset({b"SET", b"SETNX", b"HSET", b"LPUSH", b"ZADD"})
#: Makes a script callable with its number of keys, its keys and its arguments. The items of a list are returned one by
#: one, after `true`: reading a table from Python costs more than the script.
_CALLABLE: Final = b"""
function(script)
  return function(count, ...)
    local words = {...}
    local reply = script({unpack(words, 1, count)}, {unpack(words, count + 1)})
    if type(reply) == 'table' and #reply > 0 then return true, unpack(reply, 1, #reply) end
    return reply
  end
end"""
#: The first lines of scripts that a full Redis runs: they are allowed to write, or write nothing.
_ALLOWED: Final = ("#!lua flags=allow-oom", "#!lua flags=no-writes")


@cache
def _engine() -> Any:
    """Return the Lua runtime of all histories: scripts keep no state in it, and cannot reach files or processes."""
    lua = lua51.LuaRuntime(encoding=None, register_eval=False)
    lua.execute(b"redis = {}; os = nil; io = nil; python = python; math.randomseed = nil")
    lua.globals()[b"redis"][b"sha1hex"] = lambda value: hashlib.sha1(_sent(value)).hexdigest().encode()
    lua.globals()[b"cjson"] = lua.table_from({b"decode": lambda text: _list_of(lua, text)})
    lua.globals()[b"cmsgpack"] = lua.execute(Path(__file__).with_name("cmsgpack.lua").read_bytes())
    return lua


@cache
def _table() -> Any:
    """Return a Lua function that makes a table of its arguments: it is faster than `LuaRuntime.table_from`."""
    return _engine().eval(b"function(...) return {...} end")


@cache
def _scripts() -> dict[bytes, tuple[str, bool, Any]]:
    """Return our scripts by digest: the name, whether a full Redis runs it, and the function."""
    scripts = {}
    for name in lua_names():
        source = lua_source(name)
        scripts[_digest(source)] = _compiled(name, source)
    known = MAY_WRITE + lua_source(ACCEPT_KNOWN.name)
    scripts[_digest(known)] = _compiled(ACCEPT_KNOWN.name, known)
    return scripts


@cache
def _script_of(name: str) -> Any:
    return next(script for other, _, script in _scripts().values() if other == name)


@cache
def _digest(source: str) -> bytes:
    return hashlib.sha1(source.encode()).hexdigest().encode()


def _compiled(name: str, source: str) -> tuple[str, bool, Any]:
    allowed = source.startswith(_ALLOWED)
    body = "--" + source if source.startswith("#!") else source
    script = _engine().eval(f"function(KEYS, ARGV) {body}\nend".encode())
    return name, allowed, _engine().eval(_CALLABLE)(script)


def _sent(value: Any) -> bytes:
    """Return an argument as `redis.call` sends it."""
    if isinstance(value, bytes):
        return value
    return b"%d" % value if isinstance(value, int) else b"%.17g" % value


class Server:
    """One Redis: `run` executes a command, given as its words, and returns the RESP2 reply."""

    def __init__(self, now: Callable[[], int], rng: random.Random) -> None:
        self.keys = Keyspace(now, rng)
        self.full = False
        #: Called with each command and its reply.
        self.listener: Callable[[tuple[bytes, ...], Reply], None] | None = None
        # Scripts call the newest server: histories run one after another.
        _engine().globals()[b"redis"][b"call"] = _engine().globals()[b"redis"][b"pcall"] = self._call
        self._known: set[bytes] = set()
        #: Scripts with a planted bug that replace ours, by name.
        self.planted: dict[str, Any] = {}

    def plant(self, name: str, source: str) -> None:
        """Replace the source of the script `name`."""
        self.planted[name] = _compiled(name, source)[2]

    def run(self, *words: bytes) -> Reply:
        """Run one command or script."""
        reply = self._ran(words)
        if self.listener is not None:
            self.listener(words, reply)
        return reply

    def fail_over(self, copy: tuple[dict[bytes, Any], dict[bytes, int]], id_: bytes) -> None:
        """Let a replica that has this copy take over; it knows no script."""
        self.keys.become(copy, id_)
        self._known.clear()

    def look(self, name: str, *args: bytes) -> Reply:
        """Run a script without keys for the checks, without recording it, and return its reply."""
        reply: Reply = _as_reply(_script_of(name)(0, *args))
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
        reply: Reply = _as_reply(self.planted.get(name, script)(int(words[2]), *words[3:]))
        return reply

    def _call(self, name: bytes, *args: Any) -> Any:
        for arg in args:
            if type(arg) is not bytes:
                args = tuple(map(_sent, args))
                break
        reply = self.keys.commands[name](*args)
        return reply if type(reply) is bytes else _as_lua(reply)


def _list_of(lua: Any, text: Any) -> Any:
    """Return a JSON list of strings as a table."""
    return lua.table_from([item.encode() for item in json.loads(_sent(text))])


def _as_lua(reply: Reply) -> Any:
    """Return a reply as a script sees it."""
    if type(reply) is list:
        return _table()(*[item if type(item) is bytes else _as_lua(item) for item in reply])
    return False if reply is None else reply


def name_of(words: tuple[bytes, ...]) -> str:
    """Return the name of a command; for a script, the name of the script."""
    return _scripts()[words[1]][0] if words[0] == b"EVALSHA" else words[0].decode()


def _as_reply(value: Any) -> Any:
    """Return a script's result as Redis sends it."""
    if type(value) is bytes or type(value) is int:
        return value
    if type(value) is tuple:
        return [_as_reply(item) for item in value[1:]]
    if value is None or value is False:
        return None
    if value is True:
        return 1
    if isinstance(value, float):
        return int(value)
    return [_as_reply(value[n]) for n in range(1, len(value) + 1)]

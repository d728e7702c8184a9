"""Expiring keys and strings as in Redis, on a given clock."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    import random

#: The reply to a command, as in RESP2 (a status is bytes here too).
Reply = bytes | int | list[Any] | None


def fits(name: bytes, pattern: bytes) -> bool:
    """Return whether a name matches this pattern."""
    return fnmatch.fnmatchcase(name.decode("latin-1"), pattern.decode("latin-1"))


class _Commands(dict[bytes, Callable[..., Reply]]):
    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def __missing__(self, name: bytes) -> Callable[..., Reply]:
        command: Callable[..., Reply] = getattr(self._kept, "do_" + name.decode().lower())
        self[name] = command
        return command


class Kept:
    """All keys; `call` runs one command. Its methods have the names of the commands.

    Args:
        now: Unix time in microseconds.
        rng: The random source of `ZRANDMEMBER` and its like.
    """

    def __init__(self, now: Callable[[], int], rng: random.Random) -> None:
        self.now, self.rng = now, rng
        self.data: dict[bytes, Any] = {}
        #: The replication id: another one for each server, and for each of its runs.
        self.id = b"0" * 40
        self.ends: dict[bytes, int] = {}
        #: Keys that expired, for a comparison with a real server.
        self.ended: list[bytes] = []
        #: Called with the key of each list to which an item was pushed.
        self.pushed: Callable[[bytes], None] = lambda _: None
        #: The commands that were run, by name.
        self.commands = _Commands(self)

    def copy(self) -> tuple[dict[bytes, Any], dict[bytes, int]]:
        """Return what a replica has now."""
        return deepcopy(self.data), dict(self.ends)

    def become(self, copy: tuple[dict[bytes, Any], dict[bytes, int]], id_: bytes) -> None:
        """Go on as another server, which has this copy."""
        (self.data, self.ends), self.id = copy, id_

    def call(self, name: bytes, *args: bytes) -> Reply:
        """Run a command; raise AttributeError for an unknown one."""
        return self.commands[name](*args)

    def get(self, key: bytes) -> Any:
        """Return the value of a key that has not expired, or None."""
        end = self.ends.get(key)
        if end is not None and end <= self.now() // 1000:
            self._drop(key)
            self.ended.append(key)
        return self.data.get(key)

    def _drop(self, key: bytes) -> int:
        self.ends.pop(key, None)
        return int(self.data.pop(key, None) is not None)

    def _make(self, key: bytes, kind: type[Any]) -> Any:
        value = self.get(key)
        if value is None:
            value = self.data[key] = kind()
        return value

    def _drop_empty(self, key: bytes) -> None:
        if not self.data.get(key):
            self._drop(key)

    # Keys

    def do_time(self) -> Reply:
        now = self.now()
        return [b"%d" % (now // 1_000_000), b"%d" % (now % 1_000_000)]

    def do_info(self, section: bytes) -> Reply:
        assert section == b"replication"
        return b"# Replication\r\nmaster_replid:" + self.id + b"\r\n"

    def do_ping(self) -> Reply:
        return b"PONG"

    def do_del(self, *keys: bytes) -> Reply:
        return sum(self.get(key) is not None and self._drop(key) for key in keys)

    def do_exists(self, *keys: bytes) -> Reply:
        return sum(self.get(key) is not None for key in keys)

    def do_unlink(self, *keys: bytes) -> Reply:
        return self.do_del(*keys)

    def do_dbsize(self) -> Reply:
        return sum(self.get(key) is not None for key in list(self.data))

    def do_type(self, key: bytes) -> Reply:
        # Sets and sorted sets are dicts too, but our code never asks for their type.
        return {bytes: b"string", list: b"list", dict: b"hash", type(None): b"none"}[type(self.get(key))]

    def do_keys(self, pattern: bytes) -> Reply:
        return [key for key in list(self.data) if self.get(key) is not None and fits(key, pattern)]

    def do_scan(self, cursor: bytes, *options: bytes) -> Reply:
        given = dict(zip(options[::2], options[1::2], strict=True))
        most, after = int(given.get(b"COUNT", b"10")), int(cursor)
        # In the order of a checksum, so that a key that exists all the time is found whatever keys appear or disappear.
        left = sorted((crc32(key) + 1, key) for key in self.data if crc32(key) + 1 > after)
        end = left[most - 1][0] if len(left) > most else 0
        batch = [key for number, key in left if not end or number <= end]
        pattern = given.get(b"MATCH", b"*")
        return [b"%d" % end, [key for key in batch if self.get(key) is not None and fits(key, pattern)]]

    def do_pexpireat(self, key: bytes, end: bytes) -> Reply:
        if self.get(key) is None:
            return 0
        self.ends[key] = int(end)
        return 1

    def do_pexpire(self, key: bytes, left: bytes, *options: bytes) -> Reply:
        if options == (b"LT",) and self.get(key) is not None:
            end = self.ends.get(key)
            if end is not None and end <= self.now() // 1000 + int(left):
                return 0
        return self.do_pexpireat(key, b"%d" % (self.now() // 1000 + int(left)))

    def do_expire(self, key: bytes, left: bytes) -> Reply:
        return self.do_pexpire(key, left + b"000")

    def do_pttl(self, key: bytes) -> Reply:
        if self.get(key) is None:
            return -2
        return self.ends[key] - self.now() // 1000 if key in self.ends else -1

    def do_ttl(self, key: bytes) -> Reply:
        left = self.do_pttl(key)
        assert isinstance(left, int)
        return left if left < 0 else (left + 500) // 1000

    def do_persist(self, key: bytes) -> Reply:
        return int(self.get(key) is not None and self.ends.pop(key, None) is not None)

    def do_flushall(self) -> Reply:
        self.data.clear()
        self.ends.clear()
        return b"OK"

    # Strings

    def do_get(self, key: bytes) -> Reply:
        value: bytes | None = self.get(key)
        return value

    def do_set(self, key: bytes, value: bytes, *options: bytes) -> Reply:
        current = self.get(key)
        if (b"NX" in options and current is not None) or (b"XX" in options and current is None):
            return None
        self.data[key] = value
        if b"KEEPTTL" not in options:
            self.ends.pop(key, None)
        for option, expire in ((b"PX", self.do_pexpire), (b"EX", self.do_expire)):
            if option in options:
                expire(key, options[options.index(option) + 1])
        return current if b"GET" in options else b"OK"

    def do_setnx(self, key: bytes, value: bytes) -> Reply:
        return int(self.do_set(key, value, b"NX") is not None)

    def do_append(self, key: bytes, value: bytes) -> Reply:
        self.data[key] = (self.get(key) or b"") + value
        return len(self.data[key])

    def do_mget(self, *keys: bytes) -> Reply:
        return [self.get(key) for key in keys]

    def do_getdel(self, key: bytes) -> Reply:
        value: bytes | None = self.get(key)
        self._drop(key)
        return value

    def do_incrby(self, key: bytes, by: bytes) -> Reply:
        value = int(self.get(key) or 0) + int(by)
        self.data[key] = b"%d" % value
        return value

    def do_incr(self, key: bytes) -> Reply:
        return self.do_incrby(key, b"1")

    def do_decr(self, key: bytes) -> Reply:
        return self.do_incrby(key, b"-1")

    def do_decrby(self, key: bytes, by: bytes) -> Reply:
        return self.do_incrby(key, b"%d" % -int(by))

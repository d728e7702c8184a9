"""The commands of Redis that Intake uses, over plain dicts, on a clock that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

#: What a command answers: as RESP2 has it (a status is bytes here too).
Reply = bytes | int | list[Any] | None


def text(value: float) -> bytes:
    """A score as Redis writes it."""
    return b"%d" % value if value == int(value) else b"%.17g" % value


def bound(given: bytes) -> tuple[float, bool]:
    """The end of a range of scores, and whether it is left out itself."""
    return (float(given[1:]), True) if given[:1] == b"(" else (float(given), False)


class Keyspace:
    """All keys; `call` runs one command. The names of its methods are those of the commands.

    Args:
        now: Unix time in microseconds.
        chance: What `ZRANDMEMBER` draws from.
    """

    def __init__(self, now: Callable[[], int], chance: random.Random) -> None:
        self.now, self.chance = now, chance
        self.data: dict[bytes, Any] = {}
        self.ends: dict[bytes, int] = {}
        #: Keys that were ended by their time, for whoever compares with a real server.
        self.ended: list[bytes] = []
        #: Told of each key onto which something was pushed.
        self.pushed: Callable[[bytes], None] = lambda _: None
        self._commands: dict[bytes, Callable[..., Reply]] = {}

    def call(self, name: bytes, *args: bytes) -> Reply:
        """Run a command; KeyError for one that is not known here."""
        command = self._commands.get(name)
        if command is None:
            command = self._commands[name] = getattr(self, "do_" + name.decode().lower())
        return command(*args)

    def get(self, key: bytes) -> Any:
        """The value of a key that has not ended, or None."""
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

    def _tidy(self, key: bytes) -> None:
        if not self.data.get(key):
            self._drop(key)

    # Keys

    def do_time(self) -> Reply:
        now = self.now()
        return [b"%d" % (now // 1_000_000), b"%d" % (now % 1_000_000)]

    def do_ping(self) -> Reply:
        return b"PONG"

    def do_del(self, *keys: bytes) -> Reply:
        return sum(self.get(key) is not None and self._drop(key) for key in keys)

    def do_exists(self, *keys: bytes) -> Reply:
        return sum(self.get(key) is not None for key in keys)

    def do_pexpire(self, key: bytes, left: bytes) -> Reply:
        if self.get(key) is None:
            return 0
        self.ends[key] = self.now() // 1000 + int(left)
        return 1

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
        if b"NX" in options and self.get(key) is not None:
            return None
        self.data[key] = value
        self.ends.pop(key, None)
        if b"PX" in options:
            self.do_pexpire(key, options[options.index(b"PX") + 1])
        return b"OK"

    def do_setnx(self, key: bytes, value: bytes) -> Reply:
        return int(self.do_set(key, value, b"NX") is not None)

    # Hashes

    def do_hset(self, key: bytes, *pairs: bytes) -> Reply:
        known = self._make(key, dict)
        before = len(known)
        known.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(known) - before

    def do_hsetnx(self, key: bytes, field: bytes, value: bytes) -> Reply:
        known = self._make(key, dict)
        new = field not in known
        known.setdefault(field, value)
        return int(new)

    def do_hget(self, key: bytes, field: bytes) -> Reply:
        return (self.get(key) or {}).get(field)

    def do_hmget(self, key: bytes, *fields: bytes) -> Reply:
        known = self.get(key) or {}
        return [known.get(field) for field in fields]

    def do_hgetall(self, key: bytes) -> Reply:
        return [one for pair in (self.get(key) or {}).items() for one in pair]

    def do_hkeys(self, key: bytes) -> Reply:
        return list(self.get(key) or {})

    def do_hlen(self, key: bytes) -> Reply:
        return len(self.get(key) or {})

    def do_hexists(self, key: bytes, field: bytes) -> Reply:
        return int(field in (self.get(key) or {}))

    def do_hdel(self, key: bytes, *fields: bytes) -> Reply:
        known = self.get(key) or {}
        gone = sum(known.pop(field, None) is not None for field in fields)
        self._tidy(key)
        return gone

    def do_hincrby(self, key: bytes, field: bytes, by: bytes) -> Reply:
        known = self._make(key, dict)
        value = int(known.get(field, 0)) + int(by)
        known[field] = b"%d" % value
        return value

    # Lists, the left end first

    def do_lpush(self, key: bytes, *values: bytes) -> Reply:
        known = self._make(key, list)
        known[:0] = values[::-1]
        self.pushed(key)
        return len(known)

    def do_rpush(self, key: bytes, *values: bytes) -> Reply:
        known = self._make(key, list)
        known.extend(values)
        self.pushed(key)
        return len(known)

    def do_lpop(self, key: bytes) -> Reply:
        known = self.get(key)
        if not known:
            return None
        value: bytes = known.pop(0)
        self._tidy(key)
        return value

    def do_rpop(self, key: bytes) -> Reply:
        known = self.get(key)
        if not known:
            return None
        value: bytes = known.pop()
        self._tidy(key)
        return value

    def do_llen(self, key: bytes) -> Reply:
        return len(self.get(key) or ())

    def _cut(self, key: bytes, first: bytes, last: bytes) -> list[bytes]:
        known = self.get(key) or []
        start, end = int(first), int(last)
        start = max(0, start + len(known)) if start < 0 else start
        return list(known[start : end + len(known) + 1 if end < 0 else end + 1])

    def do_lrange(self, key: bytes, first: bytes, last: bytes) -> Reply:
        return self._cut(key, first, last)

    def do_ltrim(self, key: bytes, first: bytes, last: bytes) -> Reply:
        if self.get(key) is not None:
            self.data[key][:] = self._cut(key, first, last)
            self._tidy(key)
        return b"OK"

    def do_lmove(self, source: bytes, target: bytes, take: bytes, put: bytes) -> Reply:
        known = self.get(source)
        if not known:
            return None
        value: bytes = known.pop(0 if take == b"LEFT" else -1)
        self._make(target, list).insert(0 if put == b"LEFT" else len(self.data[target]), value)
        self._tidy(source)
        self.pushed(target)
        return value

    # Sets, in the order of coming

    def do_sadd(self, key: bytes, *members: bytes) -> Reply:
        known = self._make(key, dict)
        before = len(known)
        known.update(dict.fromkeys(members, 1))
        return len(known) - before

    def do_srem(self, key: bytes, *members: bytes) -> Reply:
        return self.do_hdel(key, *members)

    def do_smembers(self, key: bytes) -> Reply:
        return list(self.get(key) or {})

    def do_scard(self, key: bytes) -> Reply:
        return len(self.get(key) or {})

    # Sorted sets

    def do_zadd(self, key: bytes, *pairs: bytes) -> Reply:
        known = self._make(key, dict)
        before = len(known)
        known.update((member, float(score)) for score, member in zip(pairs[::2], pairs[1::2], strict=True))
        return len(known) - before

    def do_zrem(self, key: bytes, *members: bytes) -> Reply:
        return self.do_hdel(key, *members)

    def do_zcard(self, key: bytes) -> Reply:
        return len(self.get(key) or {})

    def do_zscore(self, key: bytes, member: bytes) -> Reply:
        score = (self.get(key) or {}).get(member)
        return None if score is None else text(score)

    def do_zmscore(self, key: bytes, *members: bytes) -> Reply:
        return [self.do_zscore(key, member) for member in members]

    def _between(self, key: bytes, first: bytes, last: bytes) -> list[tuple[float, bytes]]:
        known = self.get(key)
        if not known:
            return []
        (low, above), (high, below) = bound(first), bound(last)
        return [
            (score, member)
            for member, score in known.items()
            if low <= score <= high and not (above and score == low) and not (below and score == high)
        ]

    def do_zcount(self, key: bytes, first: bytes, last: bytes) -> Reply:
        return len(self._between(key, first, last))

    def do_zrange(self, key: bytes, first: bytes, last: bytes, *options: bytes) -> Reply:
        if b"BYSCORE" in options:
            found = sorted(self._between(key, first, last))
        else:
            found = sorted((score, member) for member, score in (self.get(key) or {}).items())
            found = found[int(first) : len(found) + int(last) + 1 if int(last) < 0 else int(last) + 1]
        if b"LIMIT" in options:
            at = options.index(b"LIMIT")
            offset, most = int(options[at + 1]), int(options[at + 2])
            found = found[offset : offset + most if most >= 0 else None]
        if b"WITHSCORES" in options:
            return [one for score, member in found for one in (member, text(score))]
        return [member for _, member in found]

    def do_zrandmember(self, key: bytes, count: bytes) -> Reply:
        known = sorted(self.get(key) or {})
        return self.chance.sample(known, min(int(count), len(known)))

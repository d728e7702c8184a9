"""The Redis commands that Intake uses, on plain dicts and with a given clock."""

from __future__ import annotations

from simulation.kept import Kept, Reply, fits


def text(value: float) -> bytes:
    """Return a score as Redis writes it."""
    return b"%d" % value if value == int(value) else repr(value).encode()


def bound(given: bytes) -> tuple[float, bool]:
    """Return one end of a range of scores, and whether that end is excluded."""
    return (float(given[1:]), True) if given[:1] == b"(" else (float(given), False)


def _places(count: int, first: bytes, last: bytes) -> tuple[int, int]:
    """Return a range of indexes as the ends of a slice; `last` is included, negative indexes count from the end."""
    start, end = (place + count if place < 0 else place for place in (int(first), int(last)))
    return max(0, start), max(0, end + 1)


class Keyspace(Kept):
    """Adds hashes, lists, sets and sorted sets."""

    # Hashes

    def do_hset(self, key: bytes, *pairs: bytes) -> Reply:
        current = self._make(key, dict)
        before = len(current)
        current.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(current) - before

    def do_hsetnx(self, key: bytes, field: bytes, value: bytes) -> Reply:
        current = self._make(key, dict)
        new = field not in current
        current.setdefault(field, value)
        return int(new)

    def do_hget(self, key: bytes, field: bytes) -> Reply:
        return (self.get(key) or {}).get(field)

    def do_hmget(self, key: bytes, *fields: bytes) -> Reply:
        current = self.get(key) or {}
        return [current.get(field) for field in fields]

    def do_hgetall(self, key: bytes) -> Reply:
        return [item for pair in (self.get(key) or {}).items() for item in pair]

    def do_hkeys(self, key: bytes) -> Reply:
        return list(self.get(key) or {})

    def do_hlen(self, key: bytes) -> Reply:
        return len(self.get(key) or {})

    def do_hexists(self, key: bytes, field: bytes) -> Reply:
        return int(field in (self.get(key) or {}))

    def do_hdel(self, key: bytes, *fields: bytes) -> Reply:
        current = self.get(key) or {}
        gone = sum(current.pop(field, None) is not None for field in fields)
        self._drop_empty(key)
        return gone

    def do_hincrby(self, key: bytes, field: bytes, by: bytes) -> Reply:
        current = self._make(key, dict)
        value = int(current.get(field, 0)) + int(by)
        current[field] = b"%d" % value
        return value

    def do_hvals(self, key: bytes) -> Reply:
        return list((self.get(key) or {}).values())

    def do_hscan(self, key: bytes, cursor: bytes, *options: bytes) -> Reply:
        # Redis also returns a small hash at once.
        assert cursor == b"0"
        given = dict(zip(options[::2], options[1::2], strict=True))
        current, pattern = self.get(key) or {}, given.get(b"MATCH", b"*")
        return [b"0", [item for pair in current.items() if fits(pair[0], pattern) for item in pair]]

    # Lists, the left end first

    def do_lpush(self, key: bytes, *values: bytes) -> Reply:
        current = self._make(key, list)
        current[:0] = values[::-1]
        self.pushed(key)
        return len(current)

    def do_rpush(self, key: bytes, *values: bytes) -> Reply:
        current = self._make(key, list)
        current.extend(values)
        self.pushed(key)
        return len(current)

    def do_lpop(self, key: bytes) -> Reply:
        current = self.get(key)
        if not current:
            return None
        value: bytes = current.pop(0)
        self._drop_empty(key)
        return value

    def do_rpop(self, key: bytes) -> Reply:
        current = self.get(key)
        if not current:
            return None
        value: bytes = current.pop()
        self._drop_empty(key)
        return value

    def do_llen(self, key: bytes) -> Reply:
        return len(self.get(key) or ())

    def _cut(self, key: bytes, first: bytes, last: bytes) -> list[bytes]:
        current = self.get(key) or []
        return list(current[slice(*_places(len(current), first, last))])

    def do_lrange(self, key: bytes, first: bytes, last: bytes) -> Reply:
        return self._cut(key, first, last)

    def do_lindex(self, key: bytes, at: bytes) -> Reply:
        current, place = self.get(key) or [], int(at)
        return current[place] if -len(current) <= place < len(current) else None

    def do_lset(self, key: bytes, at: bytes, value: bytes) -> Reply:
        self.get(key)[int(at)] = value
        return b"OK"

    def do_lrem(self, key: bytes, count: bytes, value: bytes) -> Reply:
        current, most = self.get(key) or [], int(count)
        places = [place for place, item in enumerate(current) if item == value]
        gone = places[:most] if most > 0 else places[most:] if most < 0 else places
        for place in reversed(gone):
            del current[place]
        self._drop_empty(key)
        return len(gone)

    def do_ltrim(self, key: bytes, first: bytes, last: bytes) -> Reply:
        if self.get(key) is not None:
            self.data[key][:] = self._cut(key, first, last)
            self._drop_empty(key)
        return b"OK"

    def do_lmove(self, source: bytes, target: bytes, take: bytes, put: bytes) -> Reply:
        current = self.get(source)
        if not current:
            return None
        value: bytes = current.pop(0 if take == b"LEFT" else -1)
        self._make(target, list).insert(0 if put == b"LEFT" else len(self.data[target]), value)
        self._drop_empty(source)
        self.pushed(target)
        return value

    # Sets, in the order of insertion

    def do_sadd(self, key: bytes, *members: bytes) -> Reply:
        current = self._make(key, dict)
        before = len(current)
        current.update(dict.fromkeys(members, 1))
        return len(current) - before

    def do_srem(self, key: bytes, *members: bytes) -> Reply:
        return self.do_hdel(key, *members)

    def do_smembers(self, key: bytes) -> Reply:
        return list(self.get(key) or {})

    def do_sismember(self, key: bytes, member: bytes) -> Reply:
        return int(member in (self.get(key) or {}))

    def do_srandmember(self, key: bytes, count: bytes | None = None) -> Reply:
        current = sorted(self.get(key) or {})
        if count is not None:
            return self.rng.sample(current, min(int(count), len(current)))
        return self.rng.choice(current) if current else None

    def do_spop(self, key: bytes) -> Reply:
        member = self.do_srandmember(key)
        if isinstance(member, bytes):
            self.do_hdel(key, member)
        return member

    def do_scard(self, key: bytes) -> Reply:
        return len(self.get(key) or {})

    # Sorted sets

    def do_zadd(self, key: bytes, *words: bytes) -> Reply:
        options = {word for word in words[:2] if word in {b"NX", b"XX", b"GT", b"LT"}}
        pairs = words[len(options) :]
        current = self._make(key, dict)
        before = len(current)
        for given, member in zip(pairs[::2], pairs[1::2], strict=True):
            score, old = float(given), current.get(member)
            if (b"NX" in options and old is not None) or (b"XX" in options and old is None):
                continue
            if old is None or not ((b"GT" in options and score <= old) or (b"LT" in options and score >= old)):
                current[member] = score
        added = len(current) - before
        self._drop_empty(key)
        return added

    def do_zincrby(self, key: bytes, by: bytes, member: bytes) -> Reply:
        current = self._make(key, dict)
        current[member] = current.get(member, 0.0) + float(by)
        return text(current[member])

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
        current = self.get(key)
        if not current:
            return []
        (low, above), (high, below) = bound(first), bound(last)
        return [
            (score, member)
            for member, score in current.items()
            if low <= score <= high and not (above and score == low) and not (below and score == high)
        ]

    def do_zcount(self, key: bytes, first: bytes, last: bytes) -> Reply:
        return len(self._between(key, first, last))

    def do_zrange(self, key: bytes, first: bytes, last: bytes, *options: bytes) -> Reply:
        if b"BYSCORE" in options:
            matches = sorted(self._between(key, *((last, first) if b"REV" in options else (first, last))))
        else:
            matches = sorted((score, member) for member, score in (self.get(key) or {}).items())
        if b"REV" in options:
            matches.reverse()
        if b"BYSCORE" not in options:
            matches = matches[slice(*_places(len(matches), first, last))]
        if b"LIMIT" in options:
            at = options.index(b"LIMIT")
            offset, most = int(options[at + 1]), int(options[at + 2])
            matches = matches[offset : offset + most if most >= 0 else None]
        if b"WITHSCORES" in options:
            return [item for score, member in matches for item in (member, text(score))]
        return [member for _, member in matches]

    def do_zrangebyscore(self, key: bytes, first: bytes, last: bytes, *options: bytes) -> Reply:
        return self.do_zrange(key, first, last, b"BYSCORE", *options)

    def do_zremrangebyscore(self, key: bytes, first: bytes, last: bytes) -> Reply:
        return self.do_hdel(key, *[member for _, member in self._between(key, first, last)])

    def do_zremrangebyrank(self, key: bytes, first: bytes, last: bytes) -> Reply:
        gone = self.do_zrange(key, first, last)
        assert isinstance(gone, list)
        return self.do_hdel(key, *gone)

    def do_zrandmember(self, key: bytes, count: bytes) -> Reply:
        current = sorted(self.get(key) or {})
        return self.rng.sample(current, min(int(count), len(current)))

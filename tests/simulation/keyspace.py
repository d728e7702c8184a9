"""The Redis commands that Intake uses, over plain dicts, on a given clock."""

from __future__ import annotations

from simulation.kept import Kept, Reply, fits


def text(value: float) -> bytes:
    """Return a score as Redis writes it."""
    return b"%d" % value if value == int(value) else repr(value).encode()


def bound(given: bytes) -> tuple[float, bool]:
    """Return the end of a range of scores, and whether it is excluded."""
    return (float(given[1:]), True) if given[:1] == b"(" else (float(given), False)


def _places(count: int, first: bytes, last: bytes) -> tuple[int, int]:
    """Return a range of indexes as a slice; the last one is included, and a negative one counts from the end."""
    start, end = (place + count if place < 0 else place for place in (int(first), int(last)))
    return max(0, start), max(0, end + 1)


class Keyspace(Kept):
    """Adds hashes, lists, sets and sorted sets."""

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
        self._drop_empty(key)
        return gone

    def do_hincrby(self, key: bytes, field: bytes, by: bytes) -> Reply:
        known = self._make(key, dict)
        value = int(known.get(field, 0)) + int(by)
        known[field] = b"%d" % value
        return value

    def do_hvals(self, key: bytes) -> Reply:
        return list((self.get(key) or {}).values())

    def do_hscan(self, key: bytes, cursor: bytes, *options: bytes) -> Reply:
        # Redis too returns a small hash at once.
        assert cursor == b"0"
        given = dict(zip(options[::2], options[1::2], strict=True))
        known, pattern = self.get(key) or {}, given.get(b"MATCH", b"*")
        return [b"0", [one for pair in known.items() if fits(pair[0], pattern) for one in pair]]

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
        self._drop_empty(key)
        return value

    def do_rpop(self, key: bytes) -> Reply:
        known = self.get(key)
        if not known:
            return None
        value: bytes = known.pop()
        self._drop_empty(key)
        return value

    def do_llen(self, key: bytes) -> Reply:
        return len(self.get(key) or ())

    def _cut(self, key: bytes, first: bytes, last: bytes) -> list[bytes]:
        known = self.get(key) or []
        return list(known[slice(*_places(len(known), first, last))])

    def do_lrange(self, key: bytes, first: bytes, last: bytes) -> Reply:
        return self._cut(key, first, last)

    def do_lindex(self, key: bytes, at: bytes) -> Reply:
        known, place = self.get(key) or [], int(at)
        return known[place] if -len(known) <= place < len(known) else None

    def do_lset(self, key: bytes, at: bytes, value: bytes) -> Reply:
        self.get(key)[int(at)] = value
        return b"OK"

    def do_lrem(self, key: bytes, count: bytes, value: bytes) -> Reply:
        known, most = self.get(key) or [], int(count)
        places = [place for place, one in enumerate(known) if one == value]
        gone = places[:most] if most > 0 else places[most:] if most < 0 else places
        for place in reversed(gone):
            del known[place]
        self._drop_empty(key)
        return len(gone)

    def do_ltrim(self, key: bytes, first: bytes, last: bytes) -> Reply:
        if self.get(key) is not None:
            self.data[key][:] = self._cut(key, first, last)
            self._drop_empty(key)
        return b"OK"

    def do_lmove(self, source: bytes, target: bytes, take: bytes, put: bytes) -> Reply:
        known = self.get(source)
        if not known:
            return None
        value: bytes = known.pop(0 if take == b"LEFT" else -1)
        self._make(target, list).insert(0 if put == b"LEFT" else len(self.data[target]), value)
        self._drop_empty(source)
        self.pushed(target)
        return value

    # Sets, in the order of insertion

    def do_sadd(self, key: bytes, *members: bytes) -> Reply:
        known = self._make(key, dict)
        before = len(known)
        known.update(dict.fromkeys(members, 1))
        return len(known) - before

    def do_srem(self, key: bytes, *members: bytes) -> Reply:
        return self.do_hdel(key, *members)

    def do_smembers(self, key: bytes) -> Reply:
        return list(self.get(key) or {})

    def do_sismember(self, key: bytes, member: bytes) -> Reply:
        return int(member in (self.get(key) or {}))

    def do_srandmember(self, key: bytes, count: bytes | None = None) -> Reply:
        known = sorted(self.get(key) or {})
        if count is not None:
            return self.chance.sample(known, min(int(count), len(known)))
        return self.chance.choice(known) if known else None

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
        known = self._make(key, dict)
        before = len(known)
        for given, member in zip(pairs[::2], pairs[1::2], strict=True):
            score, old = float(given), known.get(member)
            if (b"NX" in options and old is not None) or (b"XX" in options and old is None):
                continue
            if old is None or not ((b"GT" in options and score <= old) or (b"LT" in options and score >= old)):
                known[member] = score
        added = len(known) - before
        self._drop_empty(key)
        return added

    def do_zincrby(self, key: bytes, by: bytes, member: bytes) -> Reply:
        known = self._make(key, dict)
        known[member] = known.get(member, 0.0) + float(by)
        return text(known[member])

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
            found = sorted(self._between(key, *((last, first) if b"REV" in options else (first, last))))
        else:
            found = sorted((score, member) for member, score in (self.get(key) or {}).items())
        if b"REV" in options:
            found.reverse()
        if b"BYSCORE" not in options:
            found = found[slice(*_places(len(found), first, last))]
        if b"LIMIT" in options:
            at = options.index(b"LIMIT")
            offset, most = int(options[at + 1]), int(options[at + 2])
            found = found[offset : offset + most if most >= 0 else None]
        if b"WITHSCORES" in options:
            return [one for score, member in found for one in (member, text(score))]
        return [member for _, member in found]

    def do_zrangebyscore(self, key: bytes, first: bytes, last: bytes, *options: bytes) -> Reply:
        return self.do_zrange(key, first, last, b"BYSCORE", *options)

    def do_zremrangebyscore(self, key: bytes, first: bytes, last: bytes) -> Reply:
        return self.do_hdel(key, *[member for _, member in self._between(key, first, last)])

    def do_zremrangebyrank(self, key: bytes, first: bytes, last: bytes) -> Reply:
        gone = self.do_zrange(key, first, last)
        assert isinstance(gone, list)
        return self.do_hdel(key, *gone)

    def do_zrandmember(self, key: bytes, count: bytes) -> Reply:
        known = sorted(self.get(key) or {})
        return self.chance.sample(known, min(int(count), len(known)))

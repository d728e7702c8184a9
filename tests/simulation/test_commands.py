"""The simulated Redis replies to each command as a real server does, even if no history sends it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from simulation.scheduler import BEGIN
from simulation.server import Server, _engine
from support.redis_text import command

if TYPE_CHECKING:
    from redis import Redis

#: Commands by the kind of key, with their further arguments (k: another key of the kind; f, v, n, s: random).
COMMANDS: Final = {
    "string": (
        "GET|SET v|SET v NX|SET v XX|SET v XX GET|SETNX v|MGET k|GETDEL|DEL k|UNLINK|EXISTS k|TYPE|TTL|PERSIST"
        "|EXPIRE 100|PEXPIRE 90000 LT|PEXPIRE 200000 LT"
    ),
    "number": "INCR|DECR|INCRBY n|DECRBY n|GET|DEL",
    "hash": (
        "HSET f v f v|HSETNX f v|HGET f|HMGET f f|HGETALL|HKEYS|HVALS|HLEN|HEXISTS f|HDEL f f|DEL|EXISTS|TYPE"
        "|HSCAN 0 MATCH f1*"
    ),
    "tally": "HINCRBY f n|HGET f",
    "list": (
        "LPUSH v v|RPUSH v v v|LPOP|RPOP|LLEN|LRANGE n n|LTRIM n n|LINDEX n|LREM n v|LMOVE k LEFT RIGHT"
        "|LMOVE k RIGHT LEFT"
    ),
    "set": "SADD f f|SREM f|SMEMBERS|SCARD|SISMEMBER f",
    "zset": (
        "ZADD s f s f|ZADD NX s f|ZADD XX s f|ZADD GT s f|ZADD LT s f|ZINCRBY s f|ZREM f|ZCARD|ZSCORE f|ZMSCORE f f"
        "|ZCOUNT -inf s|ZCOUNT (s +inf|ZRANGE n n|ZRANGE n n REV WITHSCORES|ZRANGE -inf s BYSCORE LIMIT 1 2"
        "|ZRANGE +inf s BYSCORE REV|ZRANGEBYSCORE s +inf WITHSCORES|ZREMRANGEBYSCORE s (s|ZREMRANGEBYRANK n n"
    ),
}
#: Commands whose replies have no order.
UNSORTED: Final = {"SMEMBERS", "HGETALL", "HKEYS", "HVALS", "HSCAN"}


def words(rng: random.Random) -> list[str]:
    """Return a random command on one of three keys of its kind."""
    kind = rng.choice(sorted(COMMANDS))
    name, *given = rng.choice(COMMANDS[kind].split("|")).split()
    drawn = {
        "k": lambda: f"{kind}{rng.randrange(3)}",
        "f": lambda: f"f{rng.randrange(12)}",
        "v": lambda: f"v{rng.randrange(4)}",
        "n": lambda: str(rng.randrange(-4, 5)),
        "s": lambda: str(rng.choice([rng.randrange(9), rng.randrange(9) + 0.1, 1.76e12])),
        "(s": lambda: f"({rng.randrange(9)}",
    }
    return [name, drawn["k"](), *(drawn[word]() if word in drawn else word for word in given)]


def normalized(reply: Any, name: str) -> Any:
    """Return a reply, sorted if it has no order."""
    if name not in UNSORTED or not isinstance(reply, list):
        return reply
    reply = reply[1] if name == "HSCAN" else reply
    return sorted(zip(reply[::2], reply[1::2], strict=True)) if name in {"HGETALL", "HSCAN"} else sorted(reply)


def test_each_command_replies_as_on_a_real_server(raw: Redis) -> None:
    rng, server = random.Random(7), Server(lambda: BEGIN, random.Random(1))
    raw.response_callbacks.clear()
    for number in range(4000):
        sent = words(rng)
        reply = server.run(*(word.encode() for word in sent))
        assert normalized(reply, sent[0]) == normalized(command(raw, *sent), sent[0]), f"{number}: {sent}"


def test_a_scan_returns_every_key_that_exists_all_the_time() -> None:
    server, seen, at = Server(lambda: BEGIN, random.Random(1)), set[bytes](), b"0"
    for number in range(200):
        server.run(b"SET", b"stays:%d" % number, b"1")
        server.run(b"SET", b"goes:%d" % number, b"1")
    for number in range(200):
        reply = server.run(b"SCAN", at, b"MATCH", b"stays:*", b"COUNT", b"20")
        assert isinstance(reply, list)
        at, some = reply
        seen |= set(some)
        server.run(b"DEL", b"goes:%d" % number)
        server.run(b"SET", b"comes:%d" % number, b"1")
        if at == b"0":
            break
    assert len(seen) == 200


#: Values to pack, in Lua.
VALUES: Final = [
    "0",
    "1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 1760000000000, 9007199254740991, -1, -32",
    "true, false, nil, 'x'",
    "'', string.rep('a', 31), string.rep('b', 32), string.rep('c', 255), string.rep('d', 256), string.rep('e', 70000)",
    "{}, {1, 'two', {false, {'three'}}}",
    "(function() local t = {}; for n = 1, 20 do t[n] = 'line ' .. n end; return t end)()",
    "'\\0\\255', '#' .. string.char(200, 1)",
]


@pytest.mark.parametrize("values", VALUES)
def test_a_script_packs_the_same_bytes_as_on_a_real_server(raw: Redis, values: str) -> None:
    packed = raw.eval(f"return cmsgpack.pack({values})", 0)
    assert _engine().eval(f"cmsgpack.pack({values})".encode()) == packed
    again = "return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))"
    assert _engine().eval(f"(function(ARGV) {again} end)".encode())(_engine().table_from([packed])) == packed
    assert raw.eval(again, 0, packed) == packed


def test_values_that_would_be_packed_differently_are_refused() -> None:
    for value in ("1.5", "{a = 1}"):
        with pytest.raises(Exception, match="not known here"):
            _engine().eval(f"cmsgpack.pack({value})".encode())

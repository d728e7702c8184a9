"""The inbox: jobs that producers pushed, each held by one taker at a time until it is in the ledger."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import simplejson
from redis.exceptions import ResponseError

from schemas.job import INBOX
from worker.errors import LeaseLost, StoreFull
from worker.store.redis import clock
from worker.store.redis.connection import as_store_full
from worker.store.redis.heartbeat import Heartbeat, uptime
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from redis import Redis

    from worker.store.redis.scripts import Argument

_TAKERS: Final = f"{INBOX}:takers"
_TAKEN: Final = f"{INBOX}:taken:"
_AGAIN: Final = f"{INBOX}:again"
_LOST: Final = f"{INBOX}:lost"
_DEAD: Final = f"{INBOX}:dead"
_DEFERRED: Final = f"{INBOX}:deferred"
_COUNTS: Final = f"{INBOX}:counts"
#: Times a job may lose its taker before it is buried as poison.
POISON: Final = 3
#: Bytes that are handed out at once, but for the last job: what one process has in memory.
_MOST_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Letter:
    """A job that could not be taken in: why, and what it was; `raw` is whole unless `size` says otherwise."""

    code: str
    reason: str
    raw: bytes
    size: int
    provider: str = ""
    at: int = 0
    #: Of the whole job, where `raw` is only a part of it.
    sha256: str = ""

    @property
    def id(self) -> str:
        """The same job has the same letter, however often it is pushed."""
        return (self.sha256 or hashlib.sha256(self.raw).hexdigest())[:16]

    @property
    def whole(self) -> bool:
        """Whether all of the job is here, so that it can be pushed again."""
        return len(self.raw) == self.size

    def text(self, now: int) -> str:
        """The letter as it is kept."""
        return simplejson.dumps(
            {
                "at": now,
                "code": self.code,
                "reason": self.reason,
                "provider": self.provider,
                "size": self.size,
                "sha256": self.sha256,
                "raw": b64encode(self.raw).decode(),
            }
        )

    @classmethod
    def read(cls, text: str | bytes) -> Letter:
        """What `text` made."""
        said = simplejson.loads(text)
        return cls(**said | {"raw": b64decode(said["raw"])})


@dataclass(frozen=True, slots=True)
class Taken:
    """Jobs in the order in which they were pushed; `lost` is how often they lost their taker before."""

    jobs: list[bytes]
    lost: int


class Inbox:
    """The inbox of one Intake, on a connection that gives bytes: strangers write here."""

    def __init__(self, redis: Redis, *, lease: float, heartbeat: float) -> None:
        self.redis = redis
        self.scripts = Scripts(redis)
        self.lease_ms, self.heartbeat = int(lease * 1000), heartbeat

    def push(self, jobs: Sequence[str | bytes]) -> int:
        """Put jobs into the inbox; answers how many wait in it now. Raises StoreFull."""
        try:
            return int(self.redis.lpush(INBOX, *jobs))
        except ResponseError as error:
            if full := as_store_full(error):
                raise StoreFull(f"{full}: no job was pushed") from None
            raise

    def ping(self) -> bool:
        """Whether Redis is there; raises what a dead one raises."""
        return bool(self.redis.ping())

    def taker(self) -> Taker:
        """Somebody who takes jobs; a context manager."""
        return Taker(self)

    def wait(self, seconds: int) -> bool:
        """Wait until a job is there, for at most so long. It stays where it is: nothing is lost with a connection."""
        return self.redis.blmove(INBOX, INBOX, seconds, src="RIGHT", dest="RIGHT") is not None

    def defer(self, jobs: Sequence[bytes], seconds: float) -> None:
        """Look at these again in so many seconds; the same job put off twice is one."""
        due = clock.now(self.redis) + int(seconds * 1000)
        self.redis.zadd(_DEFERRED, dict.fromkeys(jobs, due))

    def free(self) -> int:
        """Put back what dead takers held, and what was put off until now; answers how many of the former."""
        return int(self.scripts("free", [_TAKERS, _AGAIN, _LOST, _DEFERRED, INBOX], [self.lease_ms, _TAKEN]))

    def add_letters(self, letters: Sequence[Letter]) -> None:
        """Put letters among the dead ones."""
        now = clock.now(self.redis)
        if letters:
            self.redis.hset(_DEAD, mapping={letter.id: letter.text(now) for letter in letters})

    def letter_ids(self) -> list[str]:
        """The ids of all dead letters."""
        return [key.decode() for key in cast("list[bytes]", self.redis.hkeys(_DEAD))]

    def letters(self, ids: Sequence[str] = ()) -> dict[str, Letter]:
        """The dead letters by id: all of them, or those of `ids` that are there."""
        if ids:
            texts = cast("list[bytes | None]", self.redis.hmget(_DEAD, list(ids)))
            found: Iterable[tuple[str, bytes]] = ((key, text) for key, text in zip(ids, texts, strict=True) if text)
        else:
            found = ((key.decode(), text) for key, text in self.redis.hscan_iter(_DEAD, count=500))
        return {key: Letter.read(text) for key, text in found}

    def replay(self, letter: Letter, letter_id: str) -> None:
        """Push the job of a dead letter again."""
        with self.redis.pipeline() as pipe:
            pipe.lpush(INBOX, letter.raw)
            pipe.hdel(_DEAD, letter_id)
            pipe.execute()

    def discard(self, letter_ids: Sequence[str]) -> int:
        """Forget dead letters."""
        return int(self.redis.hdel(_DEAD, *letter_ids)) if letter_ids else 0

    def all_jobs(self) -> tuple[list[bytes], list[bytes]]:
        """The jobs that wait, wherever they do; and those that takers have in hand."""
        waiting = {*self._list(INBOX), *self._list(_AGAIN), *cast("list[bytes]", self.redis.zrange(_DEFERRED, 0, -1))}
        takers = cast("Iterable[bytes]", self.redis.scan_iter(match=f"{_TAKEN}*", count=1000))
        return list(waiting), [job for name in takers for job in self._list(name.decode())]

    def _list(self, name: str) -> list[bytes]:
        return cast("list[bytes]", self.redis.lrange(name, 0, -1))

    def remove(self, jobs: Sequence[bytes]) -> None:
        """Forget jobs that wait, each wherever it is."""
        for job in jobs:
            with self.redis.pipeline() as pipe:
                pipe.lrem(INBOX, 0, cast("str", job))
                pipe.lrem(_AGAIN, 0, cast("str", job))
                pipe.zrem(_DEFERRED, job)
                pipe.execute()

    def status(self) -> dict[str, int]:
        """How many wait, are being taken in, are dead; how many takers are alive; what was counted so far."""
        alive = clock.now(self.redis) - self.lease_ms
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.llen(INBOX)
            pipe.llen(_AGAIN)
            pipe.zcard(_DEFERRED)
            pipe.zrange(_TAKERS, 0, -1)
            pipe.hlen(_DEAD)
            pipe.hgetall(_COUNTS)
            pipe.zcount(_TAKERS, alive, "+inf")
            waiting, again, later, takers, dead, counts, living = pipe.execute()
        taken = sum(self.redis.llen(_TAKEN + taker.decode()) for taker in takers)
        counted = {name.decode(): int(value) for name, value in counts.items()}
        return {"waiting": waiting + again + later, "taken": taken, "takers": living, "dead_now": dead, **counted}


class Taker:
    """Takes jobs, and is done with them; lives by its heartbeat."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._heartbeat = Heartbeat(self._renew, inbox.heartbeat, inbox.lease_ms / 1000)

    def _renew(self) -> bool:
        return bool(self._inbox.scripts("beat", [_TAKERS], [self.name, self._inbox.lease_ms]))

    def take(self, most: int) -> Taken:
        """Take up to `most` jobs; all of them must be done before the next ones are taken. Raises LeaseLost."""
        self._heartbeat.check()
        names, asked = [INBOX, _TAKERS, _TAKEN + self.name, _AGAIN, _LOST], uptime()
        lost, *jobs = self._inbox.scripts("take", names, [self.name, most, _MOST_BYTES, self._inbox.lease_ms])
        if lost == b"lost":
            raise LeaseLost(f"the taker {self.name} was taken over")
        self._heartbeat.confirm(asked, ours=True)
        return Taken(jobs, int(lost))

    def finish(self, counts: Mapping[str, int], letters: Sequence[Letter]) -> None:
        """Let go of what was taken; raises LeaseLost if it was another's by then, who does it again."""
        self._heartbeat.check()
        now = clock.now(self._inbox.redis)
        args: list[Argument] = [self.name, self._inbox.lease_ms]
        for name, count in counts.items():
            args += [name, count]
        args.append("letters")
        for letter in letters:
            args += [letter.id, letter.text(now)]
        if not self._inbox.scripts("done", [_TAKERS, _TAKEN + self.name, _LOST, _DEAD, _COUNTS], args):
            raise LeaseLost(f"the taker {self.name} was taken over")

    def __enter__(self) -> Self:
        self._heartbeat.__enter__()
        try:
            self.take(0)  # from now on its beat is known
        except BaseException:
            self._heartbeat.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeat.__exit__(kind, error, trace)
        if kind is None:
            self._inbox.redis.zrem(_TAKERS, self.name)

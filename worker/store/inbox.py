"""The inbox: jobs that producers pushed, each held by one taker at a time until it is in the ledger."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from redis.exceptions import ResponseError

from schemas.job import INBOX
from worker.errors import LeaseLost
from worker.process.stopping import stopping
from worker.store.letters import Letter
from worker.store.redis import catalog, clock
from worker.store.redis.connection import as_store_full
from worker.store.redis.diagnosis import refusal
from worker.store.redis.excuses import Excuses, is_excuse
from worker.store.redis.heartbeat import Heartbeat, uptime
from worker.store.redis.receipts import Receipts
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from redis import Redis

    from worker.store.redis.catalog import Argument

_TAKERS: Final = f"{INBOX}:takers"
_TAKEN: Final = f"{INBOX}:taken:"
_AGAIN: Final = f"{INBOX}:again"
_LOST: Final = f"{INBOX}:lost"
_DEAD: Final = f"{INBOX}:dead"
_DEFERRED: Final = f"{INBOX}:deferred"
_COUNTS: Final = f"{INBOX}:counts"
#: Takers that may die while they hold a job alone before it is buried as poison.
POISON: Final = 3
#: Bytes that are handed out at once, apart from the last job: what one process holds in memory.
_MOST_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """Jobs in the order in which they were pushed; `lost` counts takers that died with the first one alone."""

    jobs: list[bytes]
    lost: int


class Inbox:
    """The inbox, on a connection that returns bytes, because anybody may write here."""

    def __init__(self, redis: Redis, *, lease: float, heartbeat: float) -> None:
        self.redis = redis
        self.scripts = Scripts(redis)
        self.excuses = Excuses(self.scripts, _TAKERS)
        self.lease_ms, self.heartbeat = int(lease * 1000), heartbeat

    def push(self, jobs: Sequence[str | bytes]) -> int:
        """Push jobs into the inbox; return how many wait in it now. Raise StoreFull if Redis accepts no writes."""
        try:
            return int(self.redis.lpush(INBOX, *jobs))
        except ResponseError as error:
            if full := as_store_full(error):
                raise type(full)(f"{full}: no job was pushed", full.remedy) from None
            raise

    def refusal(self) -> str:
        """Return why Redis would take no job now, or ""; nothing is written. Raise redis-py's error if it is down."""
        if state := refusal(self.redis):
            return state.sentence
        kind = self.redis.type(INBOX)
        return "" if kind in {"none", "list", b"none", b"list"} else f"the key {INBOX} of Redis is no list"

    def taker(self) -> Taker:
        """Return a taker of jobs, as a context manager."""
        return Taker(self)

    def wait(self, seconds: int) -> bool:
        """Wait up to `seconds` for a job; it stays in the inbox, so a lost connection loses nothing.

        A Redis that takes no writes refuses to wait: it is asked again after that time.
        """
        try:
            return self.redis.blmove(INBOX, INBOX, seconds, src="RIGHT", dest="RIGHT") is not None
        except ResponseError as error:
            if not as_store_full(error):
                raise
        time.sleep(seconds)
        return bool(self.redis.llen(INBOX))

    def defer(self, jobs: Sequence[bytes], seconds: float) -> None:
        """Put jobs back into the inbox after `seconds`; the same job deferred twice is one job."""
        self.scripts(catalog.SCHEDULE, jobs, due=_DEFERRED, delay_ms=int(seconds * 1000))

    def free(self) -> int:
        """Put back the jobs of dead takers and the deferred jobs that are due; return the number of the former."""
        freed = self.scripts(
            catalog.FREE,
            takers=_TAKERS,
            again=_AGAIN,
            lost=_LOST,
            deferred=_DEFERRED,
            inbox=INBOX,
            lease_ms=self.lease_ms,
            taken_prefix=_TAKEN,
        )
        return int(freed)

    def add_letters(self, letters: Sequence[Letter]) -> None:
        """Store dead letters."""
        now = clock.now(self.redis)
        fields: list[Argument] = [value for letter in letters for value in (letter.id, letter.text(now))]
        if fields:
            self.scripts(catalog.NOTE, fields, hash=_DEAD, counter="", forgotten="")

    def letter_ids(self) -> list[str]:
        """Return the ids of all dead letters."""
        return [key.decode() for key in cast("list[bytes]", self.redis.hkeys(_DEAD))]

    def letters(self, ids: Sequence[str] = ()) -> dict[str, Letter]:
        """Return the dead letters by id: all of them, or those of `ids` that exist."""
        if ids:
            texts = cast("list[bytes | None]", self.redis.hmget(_DEAD, list(ids)))
            stored: Iterable[tuple[str, bytes]] = ((key, text) for key, text in zip(ids, texts, strict=True) if text)
        else:
            stored = ((key.decode(), text) for key, text in self.redis.hscan_iter(_DEAD, count=500))
        return {key: Letter.read(text) for key, text in stored}

    def replay(self, letter: Letter, letter_id: str) -> None:
        """Push the job of a dead letter again."""
        with self.redis.pipeline() as pipe:
            pipe.lpush(INBOX, letter.raw)
            pipe.hdel(_DEAD, letter_id)
            pipe.execute()

    def discard(self, letter_ids: Sequence[str]) -> int:
        """Delete dead letters; return how many existed."""
        return int(self.redis.hdel(_DEAD, *letter_ids)) if letter_ids else 0

    def all_jobs(self) -> tuple[list[bytes], list[bytes]]:
        """Return the jobs that wait, in any list; and the jobs that takers hold."""
        waiting = {*self._list(INBOX), *self._list(_AGAIN), *cast("list[bytes]", self.redis.zrange(_DEFERRED, 0, -1))}
        takers = cast("Iterable[bytes]", self.redis.scan_iter(match=f"{_TAKEN}*", count=1000))
        return list(waiting), [job for name in takers for job in self._list(name.decode())]

    def _list(self, name: str) -> list[bytes]:
        return cast("list[bytes]", self.redis.lrange(name, 0, -1))

    def remove(self, jobs: Sequence[bytes]) -> None:
        """Remove waiting jobs from every list."""
        for job in jobs:
            with self.redis.pipeline() as pipe:
                pipe.lrem(INBOX, 0, cast("str", job))
                pipe.lrem(_AGAIN, 0, cast("str", job))
                pipe.zrem(_DEFERRED, job)
                pipe.execute()

    def status(self) -> dict[str, int]:
        """Return the numbers of jobs that wait, are taken and are dead, of live takers, and the counters so far."""
        with self.redis.pipeline(transaction=False) as pipe:
            clock.enqueue_reading(pipe)
            now, fields = pipe.execute()
            alive = (
                int(clock.read_time(now, {k.decode(): v.decode() for k, v in fields.items()}) * 1000) - self.lease_ms
            )
            pipe.llen(INBOX)
            pipe.llen(_AGAIN)
            pipe.zcard(_DEFERRED)
            pipe.zrange(_TAKERS, 0, -1)
            pipe.hlen(_DEAD)
            pipe.hgetall(_COUNTS)
            pipe.zcount(_TAKERS, alive, "+inf")
            waiting, again, deferred, takers, dead, counts, living = pipe.execute()
        with self.redis.pipeline(transaction=False) as pipe:
            for taker in takers:
                pipe.llen(_TAKEN + taker.decode())
            taken = sum(pipe.execute())
        counters = {name.decode(): int(value) for name, value in counts.items()}
        return {"waiting": waiting + again + deferred, "taken": taken, "takers": living, "dead_now": dead, **counters}


class Taker:
    """Takes jobs and finishes them while its heartbeat keeps the lease."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._heartbeat = Heartbeat(self._renew, inbox.heartbeat, inbox.lease_ms / 1000)
        self._receipts = Receipts()
        #: The jobs that it holds.
        self._jobs: list[bytes] = []

    def _renew(self) -> bool:
        inbox = self._inbox
        return bool(
            inbox.scripts(
                catalog.BEAT, members=_TAKERS, member=self.name, lease_ms=inbox.lease_ms, stopping=int(stopping())
            )
        )

    def take(self, most: int) -> Taken:
        """Take up to `most` jobs; all of them must be finished before the next take.

        Raises:
            LeaseLost: Another taker took over.
        """
        self._heartbeat.check()
        self._receipts.begin()
        asked = uptime()
        lost, *jobs = self._inbox.scripts(
            catalog.TAKE,
            inbox=INBOX,
            takers=_TAKERS,
            taken=_TAKEN + self.name,
            again=_AGAIN,
            lost=_LOST,
            taker=self.name,
            most=most,
            most_bytes=_MOST_BYTES,
            lease_ms=self._inbox.lease_ms,
        )
        if lost == b"lost":
            raise LeaseLost(f"the taker {self.name} was taken over")
        self._heartbeat.confirm(asked, ours=True)
        self._jobs = jobs
        return Taken(jobs, int(lost))

    def finish(self, counts: Mapping[str, int], letters: Sequence[Letter]) -> bool:
        """Let go of the taken jobs, add to the counters and store dead letters.

        Return False if Redis forgot what was written for the jobs: the next take returns them again.

        Raises:
            LeaseLost: Another taker took over: it does all of this again.
        """
        self._heartbeat.check()
        now = clock.now(self._inbox.redis)
        items: list[Argument] = []
        for name, count in counts.items():
            items += [name, count]
        for letter in letters:
            items += [letter.id, letter.text(now)]
        finished = self._inbox.scripts(
            catalog.DONE,
            items,
            takers=_TAKERS,
            taken=_TAKEN + self.name,
            lost=_LOST,
            dead_letters=_DEAD,
            counters=_COUNTS,
            taker=self.name,
            lease_ms=self._inbox.lease_ms,
            counter_count=len(counts),
        )
        if not finished:
            raise LeaseLost(f"the taker {self.name} was taken over")
        if finished > 0:
            self._jobs = []
        return int(finished) > 0

    def __enter__(self) -> Self:
        self._inbox.excuses.send()
        self._receipts.__enter__()
        self._heartbeat.__enter__()
        try:
            self.take(0)  # this makes its heartbeat known
        except BaseException:
            self._heartbeat.__exit__(None, None, None)
            self._receipts.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._receipts.__exit__(kind, error, trace)
        self._heartbeat.__exit__(kind, error, trace)
        if kind is None and self._inbox.scripts(
            catalog.LEAVE, members=_TAKERS, held=_TAKEN + self.name, member=self.name
        ):
            return
        if is_excuse(error):
            # The digests of `free.lua`.
            digests = [hashlib.sha1(job, usedforsecurity=False).hexdigest() for job in self._jobs]
            held = [value for digest in digests for value in (_LOST, digest)]
            self._inbox.excuses.add(self.name, held, error)

"""One run of the fuzzer: hostile records pass the real poll, fetch and ingest, and each is accounted for."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

from structlog.testing import capture_logs

import tasks.fetch
import tasks.listen
import tasks.poll
from fuzz.hostile import Records
from fuzz.systems import SYSTEMS, System
from support.fake_runtime import FakeRuntime
from support.http_server import Server
from worker.http.client import Client
from worker.http.gates import Open
from worker.store.redis.keys import LaneKeys

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from redis import Redis

    from fuzz.hostile import Hostile

#: Records of one list: a run of many records is many lists, so that its memory says something about the product.
CHUNK: Final = 1000
#: The most pushes in a row that are taken.
_TAKES: Final = 1000
#: Jobs that are pushed of each chunk: a hostile record costs the same on both ways.
_PUSHED: Final = 100
#: The outcomes of a record that leave nothing of it in the ledger.
_LEFT_OUT: Final = ("ours", "unwanted", "outside")


@dataclass
class Account:
    """What became of the records: every one is accepted, a dead letter, or left out with a count."""

    sent: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    pushed: Counter[str] = field(default_factory=Counter)
    #: What must not happen, with the seed of its chunk.
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the numbers in one line."""
        dead, accepted = self.counts["malformed"] + self.counts["fetched dead"], self.counts["accepted"]
        pushed = f"pushed {self.pushed['jobs']}: {self.pushed['new']} accepted, {self.pushed['bad']} dead"
        return (
            f"sent {self.sent}: {accepted} accepted, {dead} dead, {self.counts['left out']} left out; {pushed};"
            f" {len(self.faults)} faults"
        )


def fuzz(redis: Redis, kind: str, records: int, seed: int, account: Account) -> None:
    """Send `records` hostile records of one provider, in lists of `CHUNK`, and add to the account."""
    for first in range(0, records, CHUNK):
        _chunk(redis, SYSTEMS[kind], first, min(CHUNK, records - first), f"{seed} {kind} {first}", account)


def _chunk(redis: Redis, system: type[System], first: int, count: int, seed: str, account: Account) -> None:  # noqa: PLR0913, PLR0917  # one list
    redis.flushall()
    maker = Records(system.full(), system.model, system.id_path, system.kept, random.Random(seed))
    records = [maker.make(number, system.id_of(number)) for number in range(first, first + count)]
    api = system(records, set())
    server = Server(api)
    client = Client(server.url, gate=Open(), headers={}, deadline=20.0)
    try:
        rt: FakeRuntime[Any] = FakeRuntime(redis, system.provider(client))
        rt.set_clocks(poll=60.0)
        for fault in [*_poll(rt, api, account), *_ingest(rt, records, account)]:
            account.faults.append(f"{seed}: {fault}")
    finally:
        client.close()
        server.close()
    account.sent += count


def _poll(rt: FakeRuntime[Any], api: System, account: Account) -> list[str]:
    """Poll until the end of the list, fetch what was deferred, and return what is wrong."""
    start = rt.shop.start(datetime(2020, 1, 1, tzinfo=UTC))
    rt.redis.hset("intake:cursor:shop", "value", start)
    with capture_logs() as lines:
        tasks.poll.poll(rt, "shop", rt.nudge, gap=-1)
        _fetch_deferred(rt)
    status = rt.cursors.status("shop")
    pages = [line for line in lines if line["event"] == "provider.polled"]
    deferred = sum(line["event"] == "record.deferred" for line in lines)
    faults = [f"the poll failed: {status['error']}"] if "error" in status else []
    faults += (
        [f"the cursor did not move: {status['value']}"] if status["value"] == start and api.kind != "dropboy" else []
    )
    faults += [] if "finished" in status else ["the poll did not end"]
    faults += [] if len(api.served) == len(api.records) else [f"only {len(api.served)} were asked for"]
    faults += [f"a page with {page}" for page in pages if _outcomes(page) != page["records"]]
    faults += [] if not rt.fetches.count_waiting("shop") else ["a deferred record still waits"]
    for page in pages:
        account.counts["malformed"] += page.get("malformed", 0)
        # A record whose id was spoiled may be another version of an order that is known.
        account.counts["accepted"] += _outcomes(page) - sum(page.get(name, 0) for name in ("malformed", *_LEFT_OUT))
    left_out = sum(page.get(name, 0) for page in pages for name in _LEFT_OUT)
    unlisted = max(0, len(api.served) - sum(page["records"] for page in pages) - deferred)
    account.counts["left out"] += left_out + unlisted
    account.counts["fetched dead"] += deferred
    total = sum(page["records"] for page in pages) + deferred + unlisted
    if total != len(api.records) and not api.overlaps:
        faults.append(f"{total} records have an outcome, {len(api.records)} were sent")
    missing = _missing(rt, api)
    if len(missing) > left_out + unlisted:
        faults.append(f"{len(missing)} records are nowhere, {left_out} + {unlisted} were left out: {missing[:3]}")
    return faults


def _outcomes(page: MutableMapping[str, Any]) -> int:
    """Return how many records of a page have an outcome."""
    return sum(value for key, value in page.items() if key not in {"records", "more"} and isinstance(value, int))


def _fetch_deferred(rt: FakeRuntime[Any]) -> None:
    """Fetch the deferred records as often as they are tried, without the waiting in between."""
    with patch("tasks.fetch.GIVE_UP", 2), patch("tasks.fetch.SHOWN", 1):
        for _ in range(3):
            for external_id in cast("list[str]", rt.redis.zrange("intake:fetch:shop", 0, -1)):
                rt.redis.zadd("intake:fetch:shop", {external_id: 0})
            tasks.fetch.fetch(rt, "shop", rt.nudge)


def _missing(rt: FakeRuntime[Any], api: System) -> list[int]:
    """Return the records with an intact id of which neither an order nor a dead letter is kept."""
    own = [record.number for record in api.records if record.own]
    letters = {external_id for _, external_id in rt.cursors.letter_ids(["shop"])}
    unnamed = sum(letter.startswith("sha-") for letter in letters)
    with rt.redis.pipeline(transaction=False) as pipe:
        for number in own:
            pipe.exists(f"{LaneKeys.of('t').order}shop:{api.id_of(number)}")
        known = pipe.execute()
    lost = [n for n, there in zip(own, known, strict=True) if not there and str(api.id_of(n)) not in letters]
    # The id of a record that is not JSON may not be recognized: its letter is kept under a digest.
    return lost[unnamed:]


def _ingest(rt: FakeRuntime[Any], records: list[Hostile], account: Account) -> list[str]:
    """Push some of the records as a producer would, take them, and return what is wrong."""
    jobs = [b'{"v": 1, "provider": "shop", "record": %s}' % record.text for record in records[:_PUSHED]]
    rt.inbox.push(jobs)
    with capture_logs() as lines, rt.inbox.taker() as taker:
        for _ in range(_TAKES):
            if not tasks.listen.take(rt, taker, rt.nudge):
                break
    counts: Counter[str] = Counter()
    for line in lines:
        if line["event"] == "inbox.taken":
            counts.update({key: value for key, value in line.items() if isinstance(value, int)})
    account.pushed += counts
    outcomes = counts.total() - counts["jobs"]
    faults = [] if counts["jobs"] == len(jobs) else [f"{counts['jobs']} of {len(jobs)} jobs were taken"]
    return faults + ([] if outcomes == counts["jobs"] else [f"{outcomes} outcomes of {counts['jobs']} jobs: {counts}"])

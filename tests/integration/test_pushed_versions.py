"""A pushed order is as new as its version, its own time of change or its job: the older never wins, in any order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

import tasks.listen
from schemas.job import sign
from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from tasks.accept import accept
from tasks.deliver import deliver
from worker.settings.producers import Producer
from worker.settings.routes import Route
from worker.store.redis import clock

if TYPE_CHECKING:
    from redis import Redis

SECRET: Final = "0123456789abcdefghijk"
#: What determines the age of a pushed order: fields of the order or of the job, or the time of its signature.
SOURCES: Final = ("version", "updated_at", "sent_at", "signature", "sent_at of one updated_at")


class Pushes:
    """Jobs for one order, "1": of a producer of its own, or of one that pushes for the polled provider `shop`."""

    def __init__(self, redis: Redis, provider: str) -> None:
        redis.flushall()
        producers = {"web": Producer(secret=SecretStr(SECRET), pushes_for=("shop",))}
        route = Route(source=provider, targets=("t",))
        self.rt = FakeRuntime(redis, Shop([]), routes=(route,), producers=producers)
        self.rt.settings = self.rt.settings.model_copy(update={"inbox": self.rt.inbox_settings})
        self.provider, self.now = provider, int(clock.now(redis)) // 1000

    def job(self, note: int, age: int, source: str) -> str:
        """Return a job whose content is `note`, and that is `age` seconds old by the `source`."""
        at = datetime.fromtimestamp(self.now - age, UTC)
        text = at.isoformat().replace("+00:00", "Z")
        content = json.loads(order(note=f"note {note}").model_dump_json(exclude_defaults=True, exclude={"provider"}))
        job: dict[str, Any] = {"v": 1, "provider": self.provider, "order": content}
        if source == "version":
            content["version"] = 1_000_000 - age
        if source == "updated_at":
            # Sent again long after it changed.
            content["updated_at"], job["sent_at"] = text, (at + timedelta(days=age % 3)).isoformat()
        if source.startswith("sent_at"):
            job["sent_at"] = text
        if source == "sent_at of one updated_at":
            content["updated_at"] = "2026-01-01T00:00:00Z"
        if source == "signature":
            return sign("web", SECRET, self.now - age, json.dumps(job)).model_dump_json()
        return json.dumps(job)

    def push(self, *jobs: str) -> None:
        """Push the jobs, one after the other."""
        for job in jobs:
            self.rt.redis.lpush("intake:inbox", job)
            with self.rt.inbox.taker() as taker:
                tasks.listen.take(self.rt, taker, self.rt.nudge)
        assert not self.rt.inbox.letters()

    def read(self, note: int, version: int | None) -> None:
        """Accept the order as a poll of the provider reads it."""
        accept(self.rt, [order(note=f"note {note}", version=version)], "poll shop", self.rt.nudge)

    def send(self) -> None:
        """Send what waits: the record is archived."""
        deliver(self.rt, "t", self.rt.nudge)

    @property
    def note(self) -> str:
        """What the ledger takes for the newest content."""
        (entry,) = self.rt.ledger.entries(["t"], f"{self.provider}:1")
        notes = (f"note {n}" for n in range(10))
        fingerprints = {order(provider=self.provider, note=note).fingerprint(): note for note in notes}
        return fingerprints[entry.record["fingerprint"]]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("provider", ["web", "shop"])
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_orders_of_arrival_end_in_the_newest(redis: Redis, provider: str, source: str, data: st.DataObject) -> None:
    pushes = Pushes(redis, provider)
    ages = sorted(data.draw(st.sets(st.integers(0, 500_000), min_size=2, max_size=4)), reverse=True)
    jobs = [pushes.job(n, age, source) for n, age in enumerate(ages)]
    replays = data.draw(st.lists(st.sampled_from(jobs), max_size=3))
    sent_after = data.draw(st.integers(0, len(jobs)))
    for n, job in enumerate(data.draw(st.permutations(jobs))):
        if n == sent_after:
            pushes.send()
        pushes.push(job)
    newest = f"note {len(ages) - 1}"
    assert pushes.note == newest
    pushes.push(*replays)
    assert pushes.note == newest


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("provider", ["web", "shop"])
@pytest.mark.parametrize("source", [each for each in SOURCES if each != "sent_at of one updated_at"])
def test_a_replay_of_the_same_second_never_reverts(redis: Redis, provider: str, source: str, *, sent: bool) -> None:
    pushes = Pushes(redis, provider)
    jobs = [pushes.job(n, 60, source) for n in range(3)]
    for n, job in enumerate(jobs):
        pushes.push(job)
        if sent:
            pushes.send()
        pushes.push(*jobs[:n])
        assert pushes.note == f"note {n}"
    pushes.push(pushes.job(0, 59, source))
    assert pushes.note == "note 0", "newer content may be what older content was"


@pytest.mark.parametrize(
    ("source", "version"), [("nothing", None), ("updated_at", 7), ("sent_at", None), ("signature", 10**15)]
)
def test_what_was_read_at_the_provider_is_newer_than_a_push_without_a_version(
    redis: Redis, source: str, version: int | None
) -> None:
    for n in (0, 2):
        for sequence in permutations(["push", "replay", "poll"]):
            pushes = Pushes(redis, "shop")
            jobs = [pushes.job(each, 60 - each, source) for each in range(2)]
            for step in sequence:
                if step == "poll":
                    pushes.read(5, version)
                else:
                    pushes.push(*jobs[:: 1 if step == "push" else -1])
                if n == sequence.index(step):
                    pushes.send()
            assert pushes.note == "note 5"
    pushes.read(6, None if version is None else version + 1)
    assert pushes.note == "note 6"


def test_a_producer_without_any_time_counts_in_the_order_of_arrival(redis: Redis) -> None:
    pushes = Pushes(redis, "web")
    for note in (0, 1, 0, 2):
        pushes.push(pushes.job(note, 0, "nothing"))
        assert pushes.note == f"note {note}"


def test_a_version_below_zero_is_refused(redis: Redis) -> None:
    pushes = Pushes(redis, "web")
    content = json.loads(pushes.job(0, 1_000_001, "version"))
    assert content["order"]["version"] == -1
    with pytest.raises(AssertionError):
        pushes.push(json.dumps(content))
    (letter,) = pushes.rt.inbox.letters().values()
    assert letter.reason == "order.version: is below 0"

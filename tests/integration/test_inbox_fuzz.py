"""Whatever is pushed, no taker dies and every job is accounted for."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tasks.listen
from support.drawn import draw_seed, examples
from support.fake_runtime import FakeRuntime, Shop
from tasks.ingest import ingest

if TYPE_CHECKING:
    from redis import Redis

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    "",
    "x" * 300,
    [],
    {},
    [[]],
    "\ud800",
    "2026-13-45",
    10**30,
    {"a": {"b": [None]}},
)


def make_valid_job(chance: random.Random) -> dict[str, Any]:
    """Return a valid job of any kind for one of 500 orders, so that many orders repeat."""
    number = str(chance.randrange(500))
    order = {
        "external_id": number,
        "status": "new",
        "ordered_at": "2026-01-01T10:00:00Z",
        "lines": [{"name": "Mug", "quantity": 1, "unit_price": 9.9}],
        "totals": {"grand": "9.90"},
    }
    content: dict[str, Any] = chance.choice([{"record": {"id": number}}, {"order": order}, {"external_id": number}])
    return {"v": 1, "provider": "shop", **content}


def make_damaged_job(chance: random.Random) -> bytes:
    """Return an invalid job, or bytes that are not a job."""
    job: Any = make_valid_job(chance)
    part = job
    while chance.random() < 0.6 and (inner := [v for v in part.values() if isinstance(v, dict) and v]):
        part = chance.choice(inner)
    kind = chance.randrange(6)
    if kind == 0:
        part[chance.choice(list(part))] = chance.choice(VALUES)
    elif kind == 1:
        del part[chance.choice(list(part))]
    elif kind == 2:
        part[chance.choice(["v", "id", "trace", "job", "signature", "zzz"])] = chance.choice(VALUES)
    text = json.dumps(job).encode()
    if kind == 3:
        at = chance.randrange(len(text))
        return text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
    if kind == 4:
        return text[: chance.randrange(len(text))]
    if kind == 5:
        return chance.choice(
            [chance.randbytes(chance.randrange(200)), b"[" * chance.randrange(9999), b"{" * 99, b"1" * 5000]
        )
    return text


def process_all(rt: FakeRuntime, jobs: list[bytes]) -> Counter[str]:
    """Push the jobs, process them, and return the counts of outcomes, which must cover every job."""
    counts: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:

        def count_and_ingest(*args: Any) -> Any:
            result = ingest(*args)
            counts.update(result.counts)
            return result

        patch.setattr("tasks.listen.ingest", count_and_ingest)
        with rt.inbox.taker() as taker:
            for start in range(0, len(jobs), 500):
                rt.inbox.push(jobs[start : start + 500])
                while tasks.listen.take(rt, taker, rt.nudge):
                    pass
    ends = sum(counts[end] for end in ("new", "same", "replaced", "stale", "unwanted", "hints", "bad"))
    assert (counts["jobs"], ends) == (len(jobs), len(jobs)), counts
    assert rt.inbox.status()["waiting"] == rt.inbox.status()["taken"] == 0
    return counts


def run(redis: Redis, total: int, seed: int) -> str:
    chance = random.Random(seed)
    rt = FakeRuntime(redis, Shop([]))
    counts: Counter[str] = Counter()
    memory: list[int] = []
    while counts["jobs"] < total:
        jobs = [
            json.dumps(make_valid_job(chance)).encode() if chance.random() < 0.3 else make_damaged_job(chance)
            for _ in range(2500)
        ]
        counts += process_all(rt, jobs)
        rt.inbox.discard(rt.inbox.letter_ids())
        rt.nudged.clear()
        memory.append(psutil.Process().memory_info().rss)
    assert memory[-1] < memory[min(1, len(memory) - 1)] * 1.15, memory
    return f"{dict(counts)}, seed {seed}, {memory[0] >> 20} MiB, in the end {memory[-1] >> 20} MiB"


def test_thousands_of_damaged_jobs_are_all_accounted_for(redis: Redis) -> None:
    print(run(redis, 7500, draw_seed()))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_damaged_jobs_are_all_accounted_for(redis: Redis) -> None:
    print(run(redis, 100_000, int(os.environ.get("INTAKE_SEED", "1"))))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_KEYS = ("v", "provider", "record", "order", "external_id", "id", "sent_at", "signature", "producer", "job")
_JOB = st.dictionaries(
    st.sampled_from(_KEYS),
    st.just(1) | st.just("shop") | _JSON,
)


# A thread of the session's server may draw a random number while an example is made.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@settings(max_examples=examples(40, 200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    job=st.binary()
    | _JOB.map(lambda content: json.dumps(content).encode())
    | _JSON.map(lambda content: json.dumps(content).encode())
)
def test_any_json_is_accounted_for(redis: Redis, job: bytes) -> None:
    process_all(FakeRuntime(redis, Shop([])), [job])

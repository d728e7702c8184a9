"""Producers push jobs while the processes that take them are killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support.drawn import draw_seed
from support.stack import Stack
from worker.runtime import redis_url

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.paced

PRODUCERS = 4
#: Every how many jobs an invalid one is added, and a job is pushed twice.
BAD, TWICE = 20, 10
WEB = """
[producers.web]

[[routes]]
from = "web"
to = ["dropday"]
reference = "web-{external_id}"
"""
#: A third party's producer: redis-py and no code of Intake.
PRODUCER = """
import json, sys
from redis import Redis

url, name, count, bad, twice = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
redis = Redis.from_url(url)
for n in range(count):
    order = {"external_id": f"{name}-{n}", "status": "new", "ordered_at": "2026-01-01T10:00:00Z",
             "lines": [{"product_id": "7", "name": "Mug", "quantity": 1, "unit_price": "9.90"}],
             "totals": {"shipping": "0", "grand": "9.90"},
             "customer": {"email": "ada@example.org"},
             "shipping_address": {"first_name": "Ada", "last_name": "L", "street1": "Delft 1", "city": "Delft",
                                  "postal_code": "2611", "country": "NL", "email": "ada@example.org"}}
    job = json.dumps({"v": 1, "provider": "web", "order": order, "id": f"{name}-{n}"})
    redis.lpush("intake:inbox", *([job, job] if n % twice == 0 else [job]))
    if n % bad == 0:
        redis.lpush("intake:inbox", json.dumps({"v": 1, "provider": "web", "bad": f"{name}-{n}"}))
"""


def _pushed(reference: str) -> str:
    """Return the line of an order in the producer's journal."""
    line = {"kind": "effect", "system": "producer", "account": "web", "did": "added", "mono": 0.0}
    return json.dumps({**line, "external_id": None, "reference": reference}) + "\n"


def run(tmp_path: Path, each: int, kills: int, seed: int) -> str:
    """Push jobs, kill processes, compare, and return a summary."""
    rng = random.Random(seed)
    with Stack(tmp_path, 0, limit="none", dedupe="off", extra=WEB, reference="shop-{external_id}") as stack:
        stack.start()
        stack.wait(lambda: bool(stack.processes("listen")), 60, "a listener")
        stack.wait(lambda: stack.runtime.inbox.status()["takers"] > 0, 60, "a taker")
        command = [sys.executable, "-c", PRODUCER, redis_url(stack.runtime.settings)]
        producers = [subprocess.Popen([*command, str(n), str(each), str(BAD), str(TWICE)]) for n in range(PRODUCERS)]
        started = time.monotonic()
        for _ in range(kills):
            time.sleep(rng.uniform(0.5, 2.5))
            role = rng.choice(["listen", "worker", "upkeep", "beat"])
            if stack.processes(role):
                stack.kill(role)
        assert [producer.wait(120) for producer in producers] == [0] * PRODUCERS
        expected = {f"web-{name}-{n}" for name in range(PRODUCERS) for n in range(each)}
        stack.wait(lambda: stack.created() >= len(expected), 60 + len(expected) / 50, "all orders")
        stack.wait(stack.settled, 90, "settled")
        stack.wait(lambda: stack.runtime.inbox.status()["waiting"] == 0, 60, "an empty inbox")
        stack.wait(lambda: stack.runtime.inbox.status()["taken"] == 0, 60, "nothing taken")
        seconds = time.monotonic() - started
        created = [order["external_id"] for order in stack.admin.read("/_sandbox/dropday/main/orders").json()["orders"]]
        letters = stack.runtime.inbox.letters().values()
        left = stack.stop()
        (tmp_path / "journals" / "web.jsonl").write_text("".join(map(_pushed, sorted(expected))))
        assert stack.history("producer/web=dropday/main={id}") == ""
    assert sorted(created) == sorted(expected)
    assert {json.loads(letter.raw)["bad"] for letter in letters} == {
        f"{name}-{n}" for name in range(PRODUCERS) for n in range(0, each, BAD)
    }
    assert left == []
    return f"{len(created)} orders, {len(letters)} bad jobs, {kills} kills, seed {seed}, {seconds:.0f} s"


@pytest.mark.timeout(300)
def test_every_job_pushed_while_takers_are_killed_ends_once_as_an_order_or_a_dead_letter(
    tmp_path: Path,
) -> None:
    print(run(tmp_path, each=150, kills=4, seed=draw_seed()))


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_jobs_end_once_while_takers_are_killed(tmp_path: Path) -> None:
    each = int(os.environ.get("INTAKE_SOAK_ORDERS", "100000")) // PRODUCERS
    print(run(tmp_path, each=each, kills=40, seed=int(os.environ.get("INTAKE_SEED", "1"))))

"""Webhooks beside polling: hooks that are lost, doubled or out of order change nothing but the time."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

import tasks.fetch
import tasks.listen
from support.pipeline import ways

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from support.pipeline import Make, Way

ORDERS = 60


@pytest.fixture
def make(tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with ways(tmp_path, redis_url, monkeypatch) as start:
        yield start


def hooks(way: Way, ids: list[str], chance: random.Random) -> int:
    """Three of ten are lost, the others come twice, in any order; answers how many orders they told of."""
    told = [external_id for external_id in ids if chance.random() >= 0.3]
    jobs = [json.dumps({"v": 1, "provider": "shop", "external_id": external_id}) for external_id in told * 2]
    chance.shuffle(jobs)
    if jobs:
        way.rt.inbox.push(jobs)
    with way.rt.inbox.taker() as taker:
        while tasks.listen.take(way.rt, taker, lambda *_: None):
            pass
    while way.rt.fetches.due("shop"):
        tasks.fetch.fetch(way.rt, "shop", lambda *_: None)
    return len(told)


def test_hooks_that_are_lost_doubled_and_shuffled_lead_to_the_same_end_as_none(make: Make) -> None:
    way = make(0).open()
    chance = random.Random(7)
    told = 0
    for _ in range(4):
        ids = way.box.add_orders(ORDERS // 4, "retailcrm", "main")
        told += hooks(way, ids, chance)
        way.deliver()
        way.poll()
        way.deliver()
    assert way.compare().clean, str(way.compare())
    assert len(way.created()) == ORDERS
    assert 0 < told < ORDERS
    lane = way.lane()
    assert (lane["new_by_hint"], lane["new_by_poll"]) == (told, ORDERS - told)

"""Webhooks beside polling: lost, duplicated or reordered webhooks change only the time of delivery."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import tasks.fetch
import tasks.listen

if TYPE_CHECKING:
    from support.pipeline import MakePipeline, Pipeline

ORDERS = 60


def hooks(pipeline: Pipeline, ids: list[str], chance: random.Random) -> int:
    """Three of ten are lost, the others come twice, in any order; answers how many orders they told of."""
    told = [external_id for external_id in ids if chance.random() >= 0.3]
    jobs = [json.dumps({"v": 1, "provider": "shop", "external_id": external_id}) for external_id in told * 2]
    chance.shuffle(jobs)
    if jobs:
        pipeline.rt.inbox.push(jobs)
    with pipeline.rt.inbox.taker() as taker:
        while tasks.listen.take(pipeline.rt, taker, lambda *_: None):
            pass
    while pipeline.rt.fetches.count_due("shop"):
        tasks.fetch.fetch(pipeline.rt, "shop", lambda *_: None)
    return len(told)


def test_lost_duplicated_and_shuffled_webhooks_lead_to_the_same_result_as_polling(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(0).open()
    chance = random.Random(7)
    told = 0
    for _ in range(4):
        ids = pipeline.box.add_orders(ORDERS // 4, "retailcrm", "main")
        told += hooks(pipeline, ids, chance)
        pipeline.deliver()
        pipeline.poll()
        pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())
    assert len(pipeline.created()) == ORDERS
    assert 0 < told < ORDERS
    lane = pipeline.lane()
    assert (lane["new_by_hint"], lane["new_by_poll"]) == (told, ORDERS - told)

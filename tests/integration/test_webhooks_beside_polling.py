"""Webhooks beside polling: lost, duplicated or reordered webhooks change only the time of delivery."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import tasks.fetch
import tasks.listen

if TYPE_CHECKING:
    from support.pipeline import MakePipeline, Pipeline

ORDERS = 60


def send_webhooks(pipeline: Pipeline, ids: list[str], chance: random.Random) -> int:
    """Lose about 30 % of the webhooks and send the others twice in random order; return the number of orders sent."""
    named = [external_id for external_id in ids if chance.random() >= 0.3]
    jobs = [json.dumps({"v": 1, "provider": "shop", "external_id": external_id}) for external_id in named * 2]
    chance.shuffle(jobs)
    if jobs:
        pipeline.rt.inbox.push(jobs)
    with pipeline.rt.inbox.taker() as taker:
        while tasks.listen.take(pipeline.rt, taker, lambda *_: None):
            pass
    while pipeline.rt.fetches.count_waiting("shop"):  # due now, or after a limit is open again
        tasks.fetch.fetch(pipeline.rt, "shop", lambda *_: None)
        time.sleep(0.01)
    return len(named)


def test_lost_duplicated_and_shuffled_webhooks_lead_to_the_same_result_as_polling(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(0).open()
    chance = random.Random(7)
    hinted = 0
    for _ in range(4):
        ids = pipeline.box.add_orders(ORDERS // 4, "retailcrm", "main")
        hinted += send_webhooks(pipeline, ids, chance)
        pipeline.deliver()
        pipeline.poll()
        pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())
    assert len(pipeline.created()) == ORDERS
    assert 0 < hinted < ORDERS
    lane = pipeline.lane()
    assert (lane["new_by_hint"], lane["new_by_poll"]) == (hinted, ORDERS - hinted)

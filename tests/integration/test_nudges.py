"""Nudges do not accumulate, and a lost nudge is sent again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from worker.store.health.nudges import Nudges

if TYPE_CHECKING:
    from redis import Redis


def test_a_nudge_is_not_sent_again_until_a_worker_takes_it(redis: Redis) -> None:
    nudges = Nudges(redis, 10)
    assert nudges.offer("deliver", "a")
    assert not nudges.offer("deliver", "a")
    assert nudges.offer("deliver", "b")
    nudges.take("deliver", "a")
    assert nudges.offer("deliver", "a")


def test_a_lost_nudge_is_sent_again_after_its_lifetime(redis: Redis) -> None:
    nudges = Nudges(redis, 0.1)
    assert nudges.offer("deliver", "a")
    time.sleep(0.15)
    assert nudges.offer("deliver", "a")


def test_others_wait_counts_every_untaken_nudge_except_its_own(redis: Redis) -> None:
    nudges = Nudges(redis, 10)
    nudges.offer("deliver", "a")
    assert not nudges.others_wait("deliver", "a", ["a", "b"])
    nudges.offer("poll", "b")
    assert nudges.others_wait("deliver", "a", ["a", "b"])
    nudges.take("poll", "b")
    assert not nudges.others_wait("deliver", "a", ["a", "b"])


def test_waiting_ticks_are_dropped_together(redis: Redis) -> None:
    redis.lpush("intake.upkeep", "tick", "tick")
    Nudges(redis, 1).drop_waiting("intake.upkeep")
    assert redis.llen("intake.upkeep") == 0

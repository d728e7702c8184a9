"""Hints do not pile up, and none is needed twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from worker.store.health.hints import Hints

if TYPE_CHECKING:
    from redis import Redis


def test_a_hint_that_is_out_is_not_sent_again_until_it_was_taken(redis: Redis) -> None:
    hints = Hints(redis, 10)
    assert hints.offer("deliver", "a")
    assert not hints.offer("deliver", "a")
    assert hints.offer("deliver", "b")
    hints.taken("deliver", "a")
    assert hints.offer("deliver", "a")


def test_a_lost_hint_is_sent_again_after_its_life(redis: Redis) -> None:
    hints = Hints(redis, 0.1)
    assert hints.offer("deliver", "a")
    time.sleep(0.15)
    assert hints.offer("deliver", "a")


def test_who_asks_whether_others_wait_hears_of_all_hints_that_are_out_but_his_own(redis: Redis) -> None:
    hints = Hints(redis, 10)
    hints.offer("deliver", "a")
    assert not hints.others_wait("deliver", "a", ["a", "b"])
    hints.offer("poll", "b")
    assert hints.others_wait("deliver", "a", ["a", "b"])
    hints.taken("poll", "b")
    assert not hints.others_wait("deliver", "a", ["a", "b"])


def test_ticks_that_waited_are_dropped_together(redis: Redis) -> None:
    redis.lpush("intake.upkeep", "tick", "tick")
    Hints(redis, 1).drop_waiting("intake.upkeep")
    assert redis.llen("intake.upkeep") == 0

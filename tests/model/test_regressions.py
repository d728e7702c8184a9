"""Regression tests: faults that the machine found, each as its shortest example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model.depot import Traits
from model.machine import Machine
from support.renaming import change_template

if TYPE_CHECKING:
    from redis import Redis


def begin(redis: Redis, raw: Redis, traits: Traits) -> Machine:
    machine = Machine(redis, raw)
    machine.start(traits, "update", ["fine"])
    return machine


def end(machine: Machine) -> None:
    machine.holds()
    machine.teardown()


@pytest.mark.parametrize("kind", ["record", "order", "external_id"])
def test_an_order_pushed_between_a_loss_of_redis_and_the_next_read_is_looked_up(
    redis: Redis, raw: Redis, kind: str
) -> None:
    machine = begin(redis, raw, Traits())
    machine.work()
    machine.lose_redis()
    machine.push_job(kind, "a", machine.ground.source.orders["a"][0])
    machine.take("")
    machine.fetch("", "")
    machine.deliver([], "")
    end(machine)


def test_an_order_read_before_and_accepted_after_a_loss_of_redis_is_looked_up(redis: Redis, raw: Redis) -> None:
    machine = begin(redis, raw, Traits())
    machine.work()
    machine.write("a", "finer")
    machine.poll("", "redis lost before")
    machine.deliver([], "")
    end(machine)


def test_an_order_cancelled_while_one_question_for_many_is_asked_is_not_created(redis: Redis, raw: Redis) -> None:
    machine = Machine(redis, raw)
    machine.start(Traits(bulk=3, cancels=True), "update", ["fine", "fine"])
    machine.work()
    machine.lose_redis()
    machine.write("b", "fine")
    machine.ground.depot.made.clear()
    machine.poll("", "")
    machine.holds()
    machine.deliver([], "cancelled meanwhile")
    end(machine)


def test_an_order_that_is_wanted_again_after_a_failover_is_searched_for_by_its_former_references(
    redis: Redis, raw: Redis
) -> None:
    machine = Machine(redis, raw)
    machine.start(Traits(updates=True, settles=False), "update", ["fine"], old=True)
    for _ in range(2):
        machine.fall_behind()
        machine.fail_over()
    machine.write("c", "cancelled")
    machine.work()
    machine.fall_behind()
    machine.write("c", "finest")
    machine.work()
    machine.change_settings(change_template, 0)
    machine.fail_over()
    end(machine)

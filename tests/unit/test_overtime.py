"""Overtime: a task continues while no other work waits for its process, and for a bounded time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.overtime import AHEAD, LONGEST, LOOK_EVERY, Overtime

if TYPE_CHECKING:
    from worker.runtime import Runtime


class Others:
    """What the runtime reports of other work, and a clock."""

    def __init__(self) -> None:
        self.wait, self.now, self.asked = False, 1000.0, 0

    def others_wait(self, task: str, name: str) -> bool:
        assert (task, name) == ("poll", "shop")
        self.asked += 1
        return self.wait

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    others = Others()
    monkeypatch.setattr("tasks.overtime.time", others)
    return others


def overtime(others: Others, seconds: float = 20.0) -> Overtime:
    rt: Runtime = others  # type: ignore[assignment]  # the part of it that is used
    return Overtime(rt, "poll", "shop", others.now + seconds)


def pass_until_over(others: Others, task: Overtime, step: float = 0.1) -> float:
    """Let time pass until the task is over; return its seconds."""
    begin = others.now
    while not task.is_over():
        others.now += step
        assert others.now < begin + 1000, "it never ends"
    return others.now - begin


def test_a_task_ends_in_time_if_other_work_waits(others: Others) -> None:
    others.wait = True
    assert pass_until_over(others, overtime(others)) == pytest.approx(20, abs=0.2)


def test_a_task_ends_at_the_latest_after_its_longest_overtime(others: Others) -> None:
    assert pass_until_over(others, overtime(others)) == pytest.approx(20 + LONGEST, abs=0.2)


def test_a_task_in_overtime_leaves_to_other_work_within_two_seconds(others: Others) -> None:
    task = overtime(others)
    others.now += 25
    assert not task.is_over()
    others.wait = True
    assert pass_until_over(others, task) <= 2 * AHEAD + 0.2


def test_it_asks_for_other_work_near_its_end_only_and_a_few_times_a_second_at_most(others: Others) -> None:
    task = overtime(others)
    for _ in range(180):
        others.now += 0.1
        task.is_over()
    assert others.asked == 0
    others.wait = True
    pass_until_over(others, task, step=0.001)
    assert others.asked <= 2 / LOOK_EVERY


def test_a_task_that_took_long_for_one_step_continues_if_nobody_waits(others: Others) -> None:
    task = overtime(others)
    others.now += 22
    assert not task.is_over()

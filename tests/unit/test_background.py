"""A task that waits for another system leaves its process to other tasks; any other task keeps it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.pipeline import log_lines, logged
from worker.app.background import Background
from worker.http.waiting import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 10.0


class System:
    """Another system that answers nothing until `answers` is set."""

    def __init__(self) -> None:
        self.answers, self.called, self.done = threading.Event(), list[str](), list[str]()

    def call(self, name: str) -> Callable[[], None]:
        def work() -> None:
            self.called.append(name)
            with WAITING.get():
                assert self.answers.wait(SECONDS)
            self.done.append(name)

        return work


@pytest.fixture
def system() -> Iterator[System]:
    system = System()
    yield system
    system.answers.set()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.app.background.PATIENCE", 0.02)
    monkeypatch.setattr("worker.app.background.IMPATIENCE", 0.005)
    monkeypatch.setattr("worker.app.background.stop_here", lambda: None)


def test_accounts_that_hang_leave_the_process_to_one_that_does_not(system: System) -> None:
    background, answered = Background(), list[str]()
    names = [f"sick{number}" for number in range(30)]
    for name in names:
        background.run(("poll", name), system.call(name))
    background.run(("poll", "good"), lambda: answered.append("good"))
    assert (answered, system.called, system.done) == (["good"], names, [])
    system.answers.set()
    background.finish(SECONDS)
    assert sorted(system.done) == sorted(names)


def test_a_task_that_waits_for_nobody_keeps_its_process() -> None:
    background, ended = Background(), threading.Event()

    def compute() -> None:
        ended.wait(0.2)
        ended.set()

    background.run(("deliver", "t"), compute)
    assert ended.is_set()


def test_a_task_that_leaves_its_process_idle_leaves_it_to_others_only_if_they_wait() -> None:
    background, may_end = Background(), threading.Event()
    began = background.run(("deliver", "t"), lambda: may_end.wait(SECONDS), others_wait=lambda: True)
    assert began is not None
    assert not began.done()
    kept = background.run(("deliver", "u"), lambda: threading.Event().wait(0.3))
    assert kept is not None
    assert kept.done()
    may_end.set()
    background.finish(SECONDS)
    assert began.done()


def test_a_process_takes_no_more_than_some_tasks_only_because_it_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.app.background.MOST_IDLE", 1)
    background, may_end = Background(), threading.Event()
    background.run(("deliver", "t"), lambda: may_end.wait(SECONDS), others_wait=lambda: True)
    kept = background.run(("deliver", "u"), lambda: threading.Event().wait(0.6), others_wait=lambda: True)
    assert kept is not None
    assert kept.done()
    may_end.set()
    background.finish(SECONDS)


def test_a_task_that_uses_the_processor_keeps_its_process_although_others_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.app.background.IDLE", 0.01)  # other tests use the processor as well

    def compute() -> None:
        until = time.thread_time() + 0.8
        while time.thread_time() < until:
            pass

    future = Background().run(("deliver", "t"), compute, others_wait=lambda: True)
    assert future is not None
    assert future.done()


def test_an_error_is_raised_and_one_in_the_background_is_logged(system: System) -> None:
    def fail() -> None:
        raise ValueError("no")

    def fail_later() -> None:
        system.call("late")()
        fail()

    background = Background()
    with pytest.raises(ValueError, match="no"):
        background.run(("poll", "now"), fail)
    with log_lines() as lines:
        background.run(("poll", "late"), fail_later)
        system.answers.set()
        background.finish(SECONDS)
        (line,) = logged(lines, "task.failed")
    assert (line["task"], line["name"], line["level"]) == ("poll", "late", "error")


@pytest.mark.parametrize(("alone", "calls"), [(True, 1), (False, 2)])
def test_a_job_that_waits_in_the_background_is_not_begun_again(system: System, *, alone: bool, calls: int) -> None:
    background = Background()
    for _ in range(2):
        background.run(("fetch", "shop"), system.call("shop"), alone=alone)
    assert len(system.called) == calls
    system.answers.set()
    background.finish(SECONDS)
    background.run(("fetch", "shop"), system.call("shop"), alone=alone)
    assert len(system.called) == calls + 1


def test_an_account_that_made_the_last_task_wait_is_left_sooner(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    background, slow = Background(), threading.Event()

    def wait_once() -> None:
        with WAITING.get():
            slow.wait(0.1)

    background.run(("poll", "sick"), wait_once)
    background.finish(SECONDS)
    monkeypatch.setattr("worker.app.background.PATIENCE", 3600.0)
    background.run(("poll", "sick"), system.call("sick"))
    assert (system.called, system.done) == (["sick"], [])

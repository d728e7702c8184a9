"""Calls at once: never more than the width, never two of one key, each in the context in which it began."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.calls import Calls
from worker.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Target:
    """A target whose calls end when the test says so; it notes which are under way."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.may_end: dict[str, threading.Event] = defaultdict(threading.Event)
        self.under_way: set[str] = set()

    def call(self, job: str) -> str:
        with self.lock:
            self.under_way.add(job)
            may_end = self.may_end[job]
        assert may_end.wait(10)
        with self.lock:
            self.under_way.discard(job)
        return f"{job} made"

    def end(self, job: str) -> None:
        with self.lock:
            may_end = self.may_end[job]
        may_end.set()


@contextmanager
def ended_at_last(target: Target, running: list[str]) -> Iterator[None]:
    """Let the calls end that are still under way when the block does: hypothesis gives up some examples."""
    try:
        yield
    finally:
        for job in running:
            target.end(job)


@settings(max_examples=30, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abc"), max_size=10),
    widths=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    data=st.data(),
)
def test_calls_are_never_more_than_the_width_and_never_two_of_one_key(
    keys: list[str], widths: list[int], data: st.DataObject
) -> None:
    """Begin what may begin, in order; let any of the calls end; until all were made."""
    target, made = Target(), list[str]()
    waiting = [f"{key}{number}" for number, key in enumerate(keys)]
    running: list[str] = []
    turns = cycle(widths)
    with Calls(target.call) as calls, ended_at_last(target, running):
        while waiting or running:
            calls.width = next(turns)
            for job in list(waiting):
                may = len(running) < calls.width and job[0] not in {other[0] for other in running}
                if may and calls.width == 1:
                    target.end(job)
                assert calls.begin(job, [job[0]]) == may
                if may:
                    waiting.remove(job)
                    running.append(job)
            assert len(target.under_way) <= len(running) == calls.under_way
            if running:
                target.end(data.draw(st.sampled_from(running)))
                for ended in calls.take(10):
                    assert ended.result == f"{ended.job} made"
                    running.remove(ended.job)
                    made.append(ended.job)
    assert sorted(made) == sorted(f"{key}{number}" for number, key in enumerate(keys))
    for key in "abc":
        numbers = [int(job[1:]) for job in made if job[0] == key]
        assert numbers == sorted(numbers), "older before newer"


def test_a_second_call_of_a_key_waits_until_the_end_of_the_first_is_taken() -> None:
    target = Target()
    with Calls(target.call) as calls:
        calls.width = 4
        assert calls.begin("a", ["k"])
        assert not calls.begin("b", ["k"])
        target.end("a")
        assert [ended.job for ended in calls.take(10)] == ["a"]
        assert calls.begin("b", ["k"])
        target.end("b")


def test_no_call_begins_beyond_the_width() -> None:
    target = Target()
    with Calls(target.call) as calls:
        calls.width = 2
        assert [calls.begin(key, [key]) for key in "abc"] == [True, True, False]
        calls.width = 1
        assert calls.room == 0
        target.end("a")
        assert len(calls.take(10)) == 1
        assert not calls.begin("c", ["c"]), "the one call that may be made is still under way"
        target.end("b")


def test_the_one_call_of_a_width_of_one_is_made_by_the_same_thread() -> None:
    def call(_: str) -> int:
        return threading.get_ident()

    with Calls(call) as calls:
        assert calls.begin("a", ["a"])
        assert [ended.result for ended in calls.take(0)] == [threading.get_ident()]


@pytest.mark.parametrize("width", [1, 3])
def test_an_error_of_one_call_is_its_own_and_the_others_end(width: int) -> None:
    def call(job: str) -> str:
        if job == "bad":
            raise LeaseLost("taken over")
        return job

    with Calls(call) as calls:
        calls.width = width
        ended = []
        for job in ("good", "bad", "better"):
            while not calls.begin(job, [job]):
                ended += calls.take(10)
        while calls.under_way:
            ended += calls.take(10)
    assert {(each.job, each.result, str(each.error or "")) for each in ended} == {
        ("good", "good", ""),
        ("bad", None, "taken over"),
        ("better", "better", ""),
    }


@pytest.mark.parametrize("width", [1, 3])
def test_what_is_no_exception_is_raised_at_once(width: int) -> None:
    def call(_: str) -> None:
        raise KeyboardInterrupt

    def run() -> None:
        with Calls(call) as calls:
            calls.width = width
            calls.begin("a", ["a"])
            calls.take(10)

    with pytest.raises(KeyboardInterrupt):
        run()


def test_each_call_sees_the_context_in_which_it_began() -> None:
    def call(_: str) -> str:
        return WHO.get()

    with Calls(call) as calls:
        calls.width = 2
        token = WHO.set("the drain")
        calls.begin("a", ["a"])
        WHO.reset(token)
        assert [ended.result for ended in calls.take(10)] == ["the drain"]


def test_the_end_of_a_run_waits_for_its_calls_and_ends_its_threads() -> None:
    target, before = Target(), threading.active_count()

    def leave(calls: Calls[str, str], end: Callable[[], None]) -> None:
        with calls:
            calls.width = 3
            calls.begin("a", ["a"])
            threading.Timer(0.05, end).start()

    leave(Calls(target.call), lambda: target.end("a"))
    assert not target.under_way
    until = 200
    while threading.active_count() > before and (until := until - 1):
        threading.Event().wait(0.01)
    assert threading.active_count() <= before

"""How long calls take: for the thread that watches a task, and for the number of calls at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from worker.http.call import Call, measure_calls
from worker.http.waiting import Waiting

if TYPE_CHECKING:
    import pytest


def test_a_call_is_measured_without_what_it_waited_for_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    with measure_calls() as seconds, Call(30.0, lambda: pass_time(7.0)) as call:
        pass_time(1.0)
        call.depart()
        pass_time(2.0)
    assert seconds == [3.0]
    with Call(30.0, lambda: None):
        pass_time(1.0)
    assert seconds == [3.0], "it was made outside of the block"


def test_the_calls_of_several_threads_are_watched_together(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    waiting, began, end = Waiting(), threading.Event(), threading.Event()

    def call() -> None:
        with waiting:
            began.set()
            end.wait(10)

    thread = threading.Thread(target=call)
    thread.start()
    began.wait(10)
    now[0] += 5.0
    with waiting:
        now[0] += 1.0
        assert waiting.seconds() == 6.0
    assert waiting.seconds() == 6.0
    end.set()
    thread.join()
    assert (waiting.seconds(), waiting.longest) == (0.0, 6.0)

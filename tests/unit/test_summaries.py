"""One line for each task: what it did, without personal data; a failure where something waits for a person."""

from __future__ import annotations

import pickle
import threading
import time
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery.utils.saferepr import saferepr

import tasks.late
from tasks.late import run_in_background
from tasks.summary import NeedsPerson, Summary
from worker.app import app
from worker.app.background import Background
from worker.app.quiet_request import QuietRequest
from worker.app.timed_request import Later, TimedRequest
from worker.http.waiting import WAITING

if TYPE_CHECKING:
    from collections.abc import Iterator

Events = list[tuple[str, dict[str, Any]]]


def test_the_line_names_the_account_and_counts_in_the_order_of_what_happened() -> None:
    summary = Summary("dropday")
    summary.count({"a": "delivered", "b": "retried", "c": "delivered"}, Counter(a=10, c=2, d=7, b=0))
    assert saferepr(summary.conclude()) == "dropday: 12 delivered"
    summary.notes.append("ended early (lease_lost)")
    assert repr(summary) == "dropday: 12 delivered; ended early (lease_lost)"
    assert repr(Summary("shop")) == "shop: nothing to do"
    assert repr(Summary("shop", notes=["maintenance"])) == "shop: maintenance"


def test_what_needs_a_person_is_a_failure_that_says_what_to_do_and_survives_its_way_to_the_worker() -> None:
    summary = Summary("dropday", Counter({"delivered": 12, "dead": 1}))
    summary.needs("intake resume dropday", "paused: the credentials were refused")
    summary.needs("intake dead list --target dropday")
    line = "dropday: 12 delivered, 1 dead; paused: the credentials were refused. Next: intake resume dropday"
    with pytest.raises(NeedsPerson) as raised:
        summary.conclude()
    assert repr(pickle.loads(pickle.dumps(raised.value))) == line


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Events:
    """Return the events that this process sends as a child of a worker, inside a task."""
    sent: Events = []
    request = SimpleNamespace(id="the-task", hostname="worker@here", sends_events=True)

    @contextmanager
    def dispatcher(hostname: str) -> Iterator[SimpleNamespace]:
        assert hostname == "worker@here"
        yield SimpleNamespace(send=lambda event, **fields: sent.append((event, fields)))

    monkeypatch.setattr(tasks.late, "current_task", SimpleNamespace(request=request))
    monkeypatch.setattr(app.events, "default_dispatcher", dispatcher)
    monkeypatch.setattr("worker.app.background.PATIENCE", 0.02)
    monkeypatch.setattr("worker.app.background.stop_here", lambda: None)
    background = Background()
    monkeypatch.setattr(tasks.late, "background_tasks", lambda: background)
    return sent


@pytest.mark.parametrize(
    ("remedy", "error", "event"),
    [
        ("", None, ("task-succeeded", {"result": "t: 1 delivered"})),
        ("look", None, ("task-failed", {"exception": "t: 1 delivered. Next: look", "traceback": ""})),
        ("", KeyError("Ada"), ("task-failed", {"exception": "KeyError", "traceback": ""})),
    ],
)
def test_a_task_that_continued_in_the_background_ends_with_an_event_of_its_own(
    sent: Events, remedy: str, error: Exception | None, event: tuple[str, dict[str, Any]]
) -> None:
    answers = threading.Event()

    def work() -> Summary:
        with WAITING.get():
            assert answers.wait(10)
        if error:
            raise error
        return Summary("t", Counter(delivered=1), remedy=remedy)

    assert isinstance(run_in_background(("deliver", "t"), work), Later)
    assert repr(run_in_background(("deliver", "t"), work)) == "t: runs in the background already"
    assert sent == []
    answers.set()
    until = time.monotonic() + 10
    while not sent and time.monotonic() < until:
        time.sleep(0.005)
    ((name, fields),) = sent
    assert fields.pop("uuid") == "the-task"
    assert (name, fields | {"runtime": 0}) == (event[0], event[1] | {"runtime": 0})


def test_a_task_that_ends_at_once_sends_no_event_of_its_own(sent: Events) -> None:
    result = run_in_background(("deliver", "t"), lambda: Summary("t", Counter(delivered=1)))
    assert (repr(result), sent) == ("t: 1 delivered", [])
    with pytest.raises(NeedsPerson):
        run_in_background(("deliver", "t"), lambda: Summary("t", remedy="look"))


def test_where_nobody_receives_events_none_is_sent_from_the_background(
    sent: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.late, "current_task", None)
    ended = threading.Event()
    answers = threading.Event()

    def work() -> Summary:
        with WAITING.get():
            assert answers.wait(10)
        ended.set()
        return Summary("t")

    assert repr(run_in_background(("deliver", "t"), work)) == "t: continues in the background"
    answers.set()
    assert ended.wait(10)
    assert sent == []


class Eventer:
    """The dispatcher of a worker."""

    enabled = True

    def __init__(self, groups: list[str]) -> None:
        self.groups, self.sent = groups, list[str]()

    def send(self, event: str, **_: Any) -> None:
        self.sent.append(event)


def request(kind: type[Any], eventer: Eventer, *, send_events: bool) -> Any:
    made = object.__new__(kind)
    made._eventer, made._task = eventer, SimpleNamespace(send_events=send_events, name="tasks.x")
    made.id = "the-task"
    made.name, made._argsrepr = "tasks.x", "t"
    return made


def test_a_sweep_that_did_nothing_sends_no_event_and_one_that_did_something_or_failed_sends_all() -> None:
    for event, fields, shown in (
        ("task-succeeded", {"result": "None"}, []),
        ("task-succeeded", {"result": "sweep: 1 deliver dropday"}, ["task-received", "task-started", "task-succeeded"]),
        ("task-failed", {"exception": "KeyError()"}, ["task-received", "task-started", "task-failed"]),
    ):
        eventer = Eventer([])
        swept = request(QuietRequest, eventer, send_events=False)
        swept.send_event("task-started")
        swept.send_event(event, **fields)
        assert eventer.sent == shown


def test_a_task_in_the_background_has_not_succeeded_yet() -> None:
    eventer = Eventer([])
    timed = request(TimedRequest, eventer, send_events=True)
    for result in (repr(Later()), "t: 1 delivered"):
        timed.send_event("task-succeeded", result=result)
    assert eventer.sent == ["task-succeeded"]

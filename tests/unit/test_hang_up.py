"""SIGHUP reloads; only where the terminal of the process is gone it ends, unless `nohup` started it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from worker.process import hang_up

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[True, False], ids=["nohup", "plain"])
def nohup(request: pytest.FixtureRequest) -> Iterator[bool]:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN if request.param else signal.SIG_DFL)
    yield request.param
    signal.signal(signal.SIGHUP, former)


def meanings(monkeypatch: pytest.MonkeyPatch, terminal: list[bool], *asked: bool) -> list[str]:
    """Return the meaning of each signal; `terminal`: whether it is there at the start, and at each look after that."""
    states = iter(terminal)
    monkeypatch.setattr(hang_up, "_has_terminal", lambda: next(states))
    process = hang_up.HangUp()
    return [process.meaning(asked=each) for each in asked]


@pytest.mark.usefixtures("nohup")
def test_a_process_without_a_terminal_or_with_one_that_is_still_there_reloads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert meanings(monkeypatch, [False], False) == ["reload"]
    assert meanings(monkeypatch, [True, True], False) == ["reload"]


def test_a_terminal_that_is_gone_ends_the_process_unless_nohup_started_it(
    monkeypatch: pytest.MonkeyPatch, *, nohup: bool
) -> None:
    seen = meanings(monkeypatch, [True, False, False], False, False)
    assert seen == (["nothing", "reload"] if nohup else ["stop", "reload"])


@pytest.mark.usefixtures("nohup")
def test_a_command_that_asks_is_never_taken_for_a_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert meanings(monkeypatch, [True], True) == ["reload"]

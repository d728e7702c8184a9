"""`intake up` says once that all processes run, and what to do next."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from worker.cli.run.supervisor import Program, Supervisor, _Running
from worker.cli.run.up import _banner

if TYPE_CHECKING:
    from worker.settings.load import Settings


def settings(url: str | None = None, **accounts: int) -> Settings:
    sections = ("providers", "producers", "targets")
    names = {section: dict.fromkeys(range(accounts.get(section, 0))) for section in sections}
    return cast("Settings", SimpleNamespace(**names, web=SimpleNamespace(url=url)))


@pytest.mark.parametrize(
    ("given", "web", "expected"),
    [
        (settings(providers=2, targets=1), False, "ready: 2 providers, 1 target; next: intake status"),
        (settings(producers=1, targets=3), False, "ready: 1 producer, 3 targets; next: intake status"),
        (
            settings(providers=1, targets=1),
            True,
            "ready: 1 provider, 1 target; console http://127.0.0.1:8081/; next: intake status",
        ),
        (
            settings("https://orders.example", providers=1, targets=1),
            True,
            "ready: 1 provider, 1 target; console https://orders.example; next: intake status",
        ),
    ],
)
def test_the_banner_names_the_accounts_the_console_and_the_next_command(
    given: Settings, *, web: bool, expected: str
) -> None:
    assert _banner(given, web=web) == expected


def test_the_banner_is_reported_once_when_every_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    alive = {"worker": True, "upkeep": False}
    programs = [Program(name, [], runs=partial(alive.__getitem__, name)) for name in alive] + [Program("beat", [])]
    supervisor = Supervisor(programs, {}, banner="ready: all")
    supervisor._running = [_Running(program, "") for program in programs]
    supervisor._announce()
    assert capsys.readouterr().err == ""
    alive["upkeep"] = True
    supervisor._announce()
    supervisor._announce()
    assert capsys.readouterr().err == "up     | ready: all\n"

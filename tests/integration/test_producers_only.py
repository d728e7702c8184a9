"""An installation without [providers], which only producers feed: it starts, checks and delivers like any other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake, intake_in
from support.orders import order
from support.settings_texts import dropday, route, table
from tasks.ingest import ingest
from tasks.sweep import sweep
from worker.app import _schedule, configuration

if TYPE_CHECKING:
    from pathlib import Path

    from support.settings_texts import Configured
    from worker.runtime import Runtime

SETTINGS = (
    table("producers.till")
    + table("inbox", unsigned="accept")
    + dropday("targets.warehouse")
    + route("till", "warehouse")
)
#: Commands that read, and the exit code of each.
COMMANDS = {
    "status": 0,
    "status --json": 0,
    "show till:1": 0,
    "show nobody": 1,
    "health --ready": 0,
    "metrics --once": 0,
    "report --out report.html": 0,
    "dead list": 0,
    "doubt list": 0,
    "inbox list": 0,
    "release warehouse --dry-run": 0,
    "erase till:1 --dry-run": 0,
    "check --offline": 0,
    "check --json": 1,
    "poll till": 2,
    "cursor show till": 2,
}


@pytest.fixture
def rt(configured: Configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.chdir(tmp_path)
    rt = configured.open(SETTINGS)
    rt.installation.confirm()
    return rt


def test_an_order_that_a_producer_pushes_waits_for_its_target_and_the_sweep_nudges_it(rt: Runtime) -> None:
    job = {"v": 1, "provider": "till", "order": json.loads(order("1", provider="till").model_dump_json())}
    rt.inbox.push([json.dumps(job)])
    with rt.inbox.taker() as taker:
        taken = ingest(rt, taker.take(10).jobs, lambda *_: None)
        taker.finish(taken.counts, taken.letters)
    nudged: list[tuple[str, str]] = []
    sweep(rt, lambda task, name, _: nudged.append((task, name)))
    assert nudged == [("deliver", "warehouse")]
    for words, code in COMMANDS.items():
        result = intake(*words.split())
        assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
        assert result.exit_code == code, (words, result.output)
    assert "till:1 → warehouse" in intake("show", "till:1").output
    check = json.loads(intake("check", "--json").output)
    assert {"what": "producer till", "state": "ok", "detail": "jobs are unsigned", "remedy": ""} in check


def test_celery_is_configured_without_a_poll(rt: Runtime) -> None:
    assert [*_schedule(rt.settings)] == ["sweep"]
    assert configuration()["worker_concurrency"] >= 2


def test_settings_with_neither_providers_nor_producers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "intake.toml").write_text(dropday("targets.warehouse") + route("till", "warehouse"))
    result = intake_in(tmp_path, "check", "--offline", TEST_KEY="k", TEST_ACCOUNT="a", COLUMNS="200")
    assert result.exit_code == 1
    assert "providers: names no account. Write a table [providers.NAME]" in result.output

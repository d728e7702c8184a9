"""`--since` and `--until` count an age back from the time of Redis, in every command that has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from worker.store.feeds.cursors import Cursors

if TYPE_CHECKING:
    from support.pipeline import MakePipeline

#: The time of Redis, far from the time of this machine.
REDIS_TIME = datetime(2037, 3, 10, 12, 30, 15, tzinfo=UTC)
COMMANDS = [
    ("backfill shop --since 7d", "from 2037-03-03 12:30 until 2037-03-10 12:30 UTC"),
    ("backfill shop --since 7d --until 1d", "from 2037-03-03 12:30 until 2037-03-09 12:30 UTC"),
    ("reconcile shop dropday --since 7d --json", '"since": "2037-03-03T12:30:15+00:00"'),
    ("reconcile shop dropday --since 7d --json", '"until": "2037-03-10T12:30:15+00:00"'),
    ("cursor set shop --since 7d --dry-run", "2037-03-03 12:30:15 UTC (7 d ago)"),
    ("poll shop --since 7d --dry-run", "2037-03-03"),
    ("report --since 7d --out -", "4 March 2037 to 10 March 2037"),
]


@pytest.fixture
def redis_time(make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pipeline(1).open()
    monkeypatch.setattr(Cursors, "now", lambda _: int(REDIS_TIME.timestamp() * 1000))


@pytest.mark.usefixtures("redis_time")
@pytest.mark.parametrize(("command", "expected"), COMMANDS)
def test_an_age_is_counted_back_from_the_clock_of_redis(command: str, expected: str) -> None:
    output = intake(*command.split()).output
    assert expected in output


@pytest.mark.usefixtures("redis_time")
@pytest.mark.parametrize("command", sorted({command for command, _ in COMMANDS if "--until" not in command}))
def test_a_time_after_the_clock_of_redis_is_refused(command: str) -> None:
    ahead = f"{REDIS_TIME + timedelta(days=1):%Y-%m-%d}"
    refused = intake(*command.replace("7d", ahead).split())
    assert refused.exit_code == 2
    assert ahead in refused.output

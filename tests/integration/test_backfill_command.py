"""`intake backfill` as an operator types it, over real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import tasks.backfill
from support.command_line import intake

if TYPE_CHECKING:
    from click.testing import Result

    from support.pipeline import MakePipeline, Pipeline


def backfill(*args: str) -> Result:
    return intake("backfill", *args)


def read(pipeline: Pipeline) -> None:
    tasks.backfill.backfill(pipeline.rt, "shop", pipeline.nudge)


def test_a_backfill_is_started_read_sent_and_reported(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(40, limits=["retailcrm=off"]).open()
    started = backfill("shop", "--since", "3h", "--yes", "--json")
    assert json.loads(started.output)["state"] == "running", started.output
    assert pipeline.rt.redis.llen("intake.poll") == 1, "a worker was nudged"
    read(pipeline)
    status = json.loads(backfill("shop", "--json").output)
    assert (status["state"], status["read"], status["counts"]["new"]) == ("finished", 1.0, 40)
    assert status["waiting"] == {"dropday": 40}
    assert pipeline.cursor() is None
    pipeline.deliver_all()
    assert pipeline.compare().clean
    pipeline.poll()
    assert pipeline.lane()["queued"] == 0


def test_a_dry_run_counts_and_writes_nothing(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(30, limits=["retailcrm=off"]).open()
    result = backfill("shop", "--since", "3h", "--dry-run")
    assert "30  dropday: new" in result.output
    pipeline.poll()
    pipeline.deliver_all()
    before = sorted(pipeline.rt.redis.keys("*"))
    result = backfill("shop", "--since", "3h", "--dry-run")
    assert "30  dropday: known, the same" in result.output
    assert sorted(pipeline.rt.redis.keys("*")) == before
    assert pipeline.rt.lanes["dropday"].count_bulk() == 0


def test_a_backfill_is_stopped_and_resumed_and_not_started_twice(make_pipeline: MakePipeline) -> None:
    make_pipeline(5, limits=["retailcrm=off"]).open()
    assert backfill("shop", "--since", "2026-01-01", "--until", "2026-02-01", "--yes").exit_code == 0
    other = backfill("shop", "--since", "2026-01-02", "--until", "2026-02-01", "--yes")
    assert (other.exit_code, "another range of shop is being read" in other.output) == (1, True)
    assert backfill("shop", "--stop").output.startswith("stopped")
    assert backfill("shop", "--resume").output.startswith("running")


def test_the_backfill_command_explains_what_it_cannot_do(make_pipeline: MakePipeline) -> None:
    make_pipeline(1).open()
    assert "shop is not a provider" not in backfill("shop").output
    assert "has no backfill. Next: intake backfill shop --since 7d" in backfill("shop").output
    assert "nobody is not a provider. Choose from: shop" in backfill("nobody").output
    assert "must be after --since" in backfill("shop", "--since", "2026-02-01", "--until", "2026-01-01").output
    assert "is neither a date nor an age" in backfill("shop", "--since", "yesterday").output
    unconfirmed = backfill("shop", "--since", "7d")
    assert (unconfirmed.exit_code, "send missing orders to dropday?" in unconfirmed.output) == (1, True)

"""`intake reconcile` as a person types it, and by night."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import tasks.reconcile
from support.command_line import intake
from support.pipeline import log_lines, logged
from support.reconciliation import damage_dropday

if TYPE_CHECKING:
    from click.testing import Result

    from support.pipeline import MakePipeline, Pipeline


def carried(make_pipeline: MakePipeline, orders: int = 40, target: str = 'placeholder = "-"') -> Pipeline:
    pipeline = make_pipeline(orders, limits=["retailcrm=off"]).open(target=target)
    pipeline.poll()
    pipeline.deliver_all()
    return pipeline


def reconcile(*args: str) -> Result:
    return intake("reconcile", "shop", "dropday", "--since", "3h", *args)


def test_reconcile_of_a_clean_pair_exits_with_0(make_pipeline: MakePipeline) -> None:
    carried(make_pipeline)
    told = reconcile()
    assert "Clean: each order is there once" in told.output
    assert told.exit_code == 0


def test_reconcile_shows_values_only_on_request(
    make_pipeline: MakePipeline,
) -> None:
    pipeline = carried(make_pipeline)
    broken = damage_dropday(pipeline.box, 2)
    told = reconcile()
    assert told.exit_code == 1
    for fault, references in broken.items():
        assert fault in told.output
        assert [reference for reference in references if reference not in told.output] == []
    assert ("--repair" in told.output, "look at it in the target" in told.output) == (True, True)
    assert "email" in told.output
    assert "somebody@else.example" not in told.output
    assert "somebody@else.example" in reconcile("--values").output
    assert pipeline.lane()["queued"] == 0, "nothing is written without --repair"


def test_json_has_the_counts_and_the_first_findings(make_pipeline: MakePipeline) -> None:
    pipeline = carried(make_pipeline)
    damage_dropday(pipeline.box, 3)
    told = reconcile("--json", "--most", "1")
    found: dict[str, Any] = json.loads(told.stdout)
    assert found["clean"] is False
    assert {name: found["counts"][name] for name in ("missing", "doubled", "different", "extra")} == dict.fromkeys(
        ("missing", "doubled", "different", "extra"), 3
    )
    assert sorted(it["fault"] for it in found["findings"]) == ["different", "doubled", "extra", "missing"]
    assert "values" not in str(found)


def test_a_repair_is_reported_and_recorded_in_the_history_of_the_order(make_pipeline: MakePipeline) -> None:
    pipeline = carried(make_pipeline)
    (missing,) = damage_dropday(pipeline.box, 1)["missing"]
    tried = reconcile("--repair", "--dry-run")
    assert ("[y/N]" in tried.output, tried.exit_code, pipeline.lane()["queued"]) == (False, 1, 0)
    told = reconcile("--repair", "--yes")
    assert "queued" in told.output
    pipeline.deliver_all()
    (entry,) = pipeline.rt.ledger.entries(["dropday"], f"shop:{missing}")
    assert "queued again by reconcile shop: not there" in [event for _, event in entry.history]
    assert entry.record["state"] == "delivered"
    assert "missing" not in {it["fault"] for it in json.loads(reconcile("--json").stdout)["findings"]}


def test_a_pair_without_a_route_is_refused_with_the_known_pairs(make_pipeline: MakePipeline) -> None:
    make_pipeline(1).open()
    told = intake("reconcile", "shop", "elsewhere", "--since", "1d")
    assert told.exit_code == 1
    assert "no route goes from shop to elsewhere; known are: shop dropday" in told.output


def test_an_invalid_since_is_refused(make_pipeline: MakePipeline) -> None:
    make_pipeline(1).open()
    assert "is neither a date nor an age" in intake("reconcile", "shop", "dropday", "--since", "soon").output


def test_a_refused_key_is_reported_and_no_order_is_called_missing(make_pipeline: MakePipeline) -> None:
    pipeline = carried(make_pipeline, 5)
    pipeline.open(dropday_key="not-the-key")
    told = reconcile()
    assert told.exit_code == 1
    assert "a key is refused" in told.output
    assert "missing" not in told.output


def test_nightly_counts_are_logged_kept_and_shown_by_status(make_pipeline: MakePipeline) -> None:
    pipeline = carried(make_pipeline)
    assert "compared" not in intake("status").output
    damage_dropday(pipeline.box, 2)
    with log_lines() as lines:
        report = tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday")
    assert report is not None
    (line,) = logged(lines, "reconcile.finished")
    assert (line["level"], line["counts"]["extra"], line["counts"]["doubled"]) == ("warning", 2, 2)
    said = " ".join(intake("status").output.split())
    assert "shop > dropday: compared, and found:" in said
    assert "intake reconcile shop dropday --since 7d" in said
    assert pipeline.lane()["queued"] == 0


def test_a_pair_is_compared_by_one_process_at_a_time(make_pipeline: MakePipeline) -> None:
    pipeline = carried(make_pipeline, 3)
    with pipeline.rt.reports.try_lock("shop", "dropday") as alone:
        assert alone
        assert tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday") is None
    assert tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday") is not None


def test_status_reports_a_nightly_comparison_with_a_refused_key(make_pipeline: MakePipeline) -> None:
    pipeline = carried(make_pipeline, 3)
    pipeline.open(dropday_key="not-the-key")
    assert tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday") is None
    assert "auth_failed" in intake("status").output

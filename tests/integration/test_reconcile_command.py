"""`intake reconcile` on the command line, and the nightly comparison."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import tasks.reconcile
from support.command_line import intake
from support.pipeline import log_lines, logged
from support.reconciliation import damage_dropday

if TYPE_CHECKING:
    from click.testing import Result

    from support.pipeline import MakePipeline, Pipeline


def delivered_pipeline(make_pipeline: MakePipeline, orders: int = 40, target: str = 'placeholder = "-"') -> Pipeline:
    pipeline = make_pipeline(orders, limits=["retailcrm=off"]).open(target=target)
    pipeline.poll()
    pipeline.deliver_all()
    return pipeline


def reconcile(*args: str) -> Result:
    return intake("reconcile", "shop", "dropday", "--since", "3h", *args)


def test_reconcile_of_a_clean_pair_exits_with_0(make_pipeline: MakePipeline) -> None:
    delivered_pipeline(make_pipeline)
    result = reconcile()
    assert "ok: the target has each order once" in result.output
    assert result.exit_code == 0


def test_reconcile_shows_values_only_on_request(
    make_pipeline: MakePipeline,
) -> None:
    pipeline = delivered_pipeline(make_pipeline)
    faults = damage_dropday(pipeline.box, 2)
    result = reconcile()
    assert result.exit_code == 1
    for fault, references in faults.items():
        assert fault in result.output
        assert [reference for reference in references if reference not in result.output] == []
    assert ("--repair" in result.output, "check it in the target" in result.output) == (True, True)
    assert "email" in result.output
    assert "somebody@else.example" not in result.output
    assert "somebody@else.example" in reconcile("--values").output
    assert pipeline.lane()["queued"] == 0, "nothing is written without --repair"


def test_json_has_the_counts_and_the_first_findings(make_pipeline: MakePipeline) -> None:
    pipeline = delivered_pipeline(make_pipeline)
    damage_dropday(pipeline.box, 3)
    result = reconcile("--json", "--most", "1")
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["clean"] is False
    assert {name: report["counts"][name] for name in ("missing", "duplicated", "different", "extra")} == dict.fromkeys(
        ("missing", "duplicated", "different", "extra"), 3
    )
    assert sorted(finding["fault"] for finding in report["findings"]) == ["different", "duplicated", "extra", "missing"]
    assert "values" not in str(report)


def test_a_repair_is_reported_and_recorded_in_the_history_of_the_order(make_pipeline: MakePipeline) -> None:
    pipeline = delivered_pipeline(make_pipeline)
    (missing,) = damage_dropday(pipeline.box, 1)["missing"]
    dry_run = reconcile("--repair", "--dry-run")
    assert ("[y/N]" in dry_run.output, dry_run.exit_code, pipeline.lane()["queued"]) == (False, 1, 0)
    result = reconcile("--repair", "--yes")
    assert "queued" in result.output
    pipeline.deliver_all()
    (entry,) = pipeline.rt.ledger.entries(["dropday"], f"shop:{missing}")
    assert "queued again by reconcile shop: not there" in [event for _, event in entry.history]
    assert entry.record["state"] == "delivered"
    assert "missing" not in {finding["fault"] for finding in json.loads(reconcile("--json").stdout)["findings"]}


def test_a_pair_without_a_route_is_refused_with_the_known_pairs(make_pipeline: MakePipeline) -> None:
    make_pipeline(1).open()
    result = intake("reconcile", "shop", "elsewhere", "--since", "1d")
    assert result.exit_code == 1
    assert "no route goes from shop to elsewhere; choose from: shop dropday" in result.output


def test_an_invalid_since_is_refused(make_pipeline: MakePipeline) -> None:
    make_pipeline(1).open()
    assert "is neither a date nor an age" in intake("reconcile", "shop", "dropday", "--since", "soon").output


def test_a_refused_key_is_reported_and_no_order_is_reported_missing(make_pipeline: MakePipeline) -> None:
    pipeline = delivered_pipeline(make_pipeline, 5)
    pipeline.open(dropday_key="not-the-key")
    result = reconcile()
    assert result.exit_code == 1
    assert "the credentials were refused" in result.output
    assert "missing" not in result.output


def test_nightly_counts_are_logged_kept_and_shown_by_status(make_pipeline: MakePipeline) -> None:
    pipeline = delivered_pipeline(make_pipeline)
    assert "compared" not in intake("status").output
    damage_dropday(pipeline.box, 2)
    with log_lines() as lines:
        report = tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday")
    assert report is not None
    (line,) = logged(lines, "reconcile.finished")
    assert (line["level"], line["counts"]["extra"], line["counts"]["duplicated"]) == ("warning", 2, 2)
    output = " ".join(intake("status").output.split())
    assert "shop > dropday: the comparison found:" in output
    assert "intake reconcile shop dropday --since 7d" in output
    assert pipeline.lane()["queued"] == 0


def test_a_pair_is_compared_by_one_process_at_a_time(make_pipeline: MakePipeline) -> None:
    pipeline = delivered_pipeline(make_pipeline, 3)
    with pipeline.rt.reports.try_lock("shop", "dropday") as alone:
        assert alone
        assert tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday") is None
    assert tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday") is not None


def test_status_reports_a_nightly_comparison_with_a_refused_key(make_pipeline: MakePipeline) -> None:
    pipeline = delivered_pipeline(make_pipeline, 3)
    pipeline.open(dropday_key="not-the-key")
    assert tasks.reconcile.reconcile(pipeline.rt, "shop", "dropday") is None
    assert "auth_failed" in intake("status").output


@pytest.mark.parametrize("side", ["source", "target"])
def test_an_order_that_cannot_be_compared_is_one_finding(
    side: str, make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = delivered_pipeline(make_pipeline, 5)
    kind = type(pipeline.rt.targets["dropday"])
    original, names = kind.view, []

    def view(target: Any, order: Any, seen: Any) -> Any:
        name = order.shipping_address.street1
        names.append(name)
        if seen == side and name == names[0]:
            raise ArithmeticError("a value of the order")
        return original(target, order, seen)

    monkeypatch.setattr(kind, "view", view)
    result = reconcile("--json")
    report = json.loads(result.stdout)
    assert (report["counts"]["source"], report["counts"]["unreadable"], report["counts"]["missing"]) == (5, 1, 0)
    (finding,) = report["findings"]
    assert finding["remedy"] == "bug: the view of the dropday adapter failed with ArithmeticError"

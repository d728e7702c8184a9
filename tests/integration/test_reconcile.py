"""A source and a target compared over HTTP: every injected fault is found, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.reconciliation import damage_dropday, is_clean, reconcile_pair, references_with
from support.redis_text import members
from worker.reconcile.repair import requeue
from worker.systems.dropday.target import Dropday
from worker.systems.target import Target

if TYPE_CHECKING:
    import pytest

    from support.pipeline import MakePipeline


def test_reconcile_finds_every_injected_fault_and_nothing_else(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(150, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    before = reconcile_pair(pipeline.rt, "dropday")
    assert is_clean(before)
    assert (before.counts["source"], before.counts["target"], before.how) == (150, 150, "listed")
    faults = damage_dropday(pipeline.box, 10)
    cursor = pipeline.cursor()
    report = reconcile_pair(pipeline.rt, "dropday")
    for fault, references in faults.items():
        assert references_with(report, fault) == references, fault
    assert (report.counts["unreadable"], report.counts["on_the_way"]) == (0, 0)
    assert pipeline.cursor() == cursor
    assert pipeline.lane()["queued"] == 0


def test_a_repair_requeues_missing_orders_and_leaves_the_rest_to_an_operator(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(50, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    faults = damage_dropday(pipeline.box, 3)
    created = len(pipeline.created())
    report = reconcile_pair(pipeline.rt, "dropday", repair=requeue)
    assert report.counts["queued"] == 3
    assert {finding.remedy for finding in report.findings if finding.fault == "missing"} == {"queued"}
    assert {finding.remedy for finding in report.findings if finding.fault == "different"} == {
        "dropday accepts no changes from shop: correct it there by hand"
    }
    waiting = reconcile_pair(pipeline.rt, "dropday", repair=requeue)
    assert (waiting.counts["missing"], waiting.counts["on_the_way"], waiting.counts["queued"]) == (0, 3, 0)
    pipeline.deliver_all()
    assert sorted(pipeline.created()[created:]) == faults["missing"]
    after = reconcile_pair(pipeline.rt, "dropday", repair=requeue)
    assert references_with(after, "missing") == []
    for fault in ("duplicated", "different", "extra"):
        assert references_with(after, fault) == faults[fault]
    assert len(pipeline.created()) == created + 3


def test_a_repair_does_not_recreate_an_order_that_exists_after_all(make_pipeline: MakePipeline) -> None:
    """The target does not list the order at first, as if its search lagged; on delivery, `find` returns the order."""
    pipeline = make_pipeline(5, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    order = pipeline.box.orders("dropday")[0]
    pipeline.box.change(order["reference"], "dropday", deleted=True)
    assert reconcile_pair(pipeline.rt, "dropday", repair=requeue).counts["queued"] == 1
    pipeline.box.add_order(order["posted"], "dropday")
    pipeline.deliver_all()
    assert pipeline.lane()["existed"] == 1
    assert is_clean(reconcile_pair(pipeline.rt, "dropday"))


def test_orders_being_delivered_are_no_fault(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(30, limits=["retailcrm=off"]).open()
    assert reconcile_pair(pipeline.rt, "dropday").counts["missing"] == 0, "not polled yet, but recent"
    pipeline.poll()
    report = reconcile_pair(pipeline.rt, "dropday")
    assert (is_clean(report), report.counts["on_the_way"]) == (True, 30)
    pipeline.deliver_all()
    assert is_clean(reconcile_pair(pipeline.rt, "dropday"))


def test_a_change_that_a_lost_ledger_cannot_know_of_is_found(make_pipeline: MakePipeline) -> None:
    """The limit that `losing-redis.md` names: the order counts as sent with the content that its source has now."""
    accounts = ["retailcrm:main:orders=10", "dropday:main"]
    pipeline = make_pipeline(accounts=accounts, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    # Of a cancelled order, only the cancellation is compared.
    active = {str(order["id"]) for order in pipeline.box.orders("retailcrm") if "cancel" not in order["status"]}
    changed = min(active.intersection(pipeline.created()))
    pipeline.rt.redis.flushall()
    pipeline.box.change(changed, firstName="Changed")
    pipeline.poll()
    pipeline.deliver_all()
    assert pipeline.lane()["existed"] == len(pipeline.created())
    report = reconcile_pair(pipeline.rt, "dropday", hours=200)
    assert references_with(report, "different") == [changed]
    assert report.findings[0].fields == ("first_name",)


#: Orders of the last five hours; most are older than one hour, by which RetailCRM's times can be wrong.
SPREAD = ["retailcrm:main:orders=30:spread=18000", "dropday:main:dedupe=off"]


def test_orders_that_no_poll_read_are_missing_and_a_repair_queues_them(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(accounts=SPREAD, limits=["retailcrm=off"]).open()
    report = reconcile_pair(pipeline.rt, "dropday", repair=requeue, hours=6)
    missing = references_with(report, "missing")
    assert len(missing) > 10
    assert len(missing) + report.counts["on_the_way"] == 30
    assert report.counts["queued"] == len(missing)
    pipeline.deliver_all()
    assert sorted(pipeline.created()) == missing


def test_an_order_from_before_the_range_is_not_reported_as_extra(make_pipeline: MakePipeline) -> None:
    """The order reached the target late; the source is asked whether it has the order."""
    pipeline = make_pipeline(accounts=SPREAD, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    report = reconcile_pair(pipeline.rt, "dropday", hours=0.5)
    assert is_clean(report)
    assert report.counts["older"] > 10
    assert 0 < report.counts["source"] < 10


def test_a_discarded_order_is_no_fault(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(3, limits=["retailcrm=off"], faults=["dropday:create:422:times=1"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    (dead,) = members(pipeline.rt.redis, pipeline.rt.lanes["dropday"].keys.dead)
    assert [finding.state for finding in reconcile_pair(pipeline.rt, "dropday").findings] == ["dead"]
    pipeline.rt.redis.hset(f"{pipeline.rt.lanes['dropday'].keys.order}{dead}", "state", "discarded")
    report = reconcile_pair(pipeline.rt, "dropday")
    assert (is_clean(report), report.counts["discarded"]) == (True, 1)


def test_a_run_keeps_to_its_share_of_the_limit(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(30, limits=["retailcrm=off"]).open()
    reconcile_pair(pipeline.rt, "dropday", share=0.4)
    stats = pipeline.box.stats()["retailcrm"]
    assert stats["accepted"] >= 8
    # The mean gap, because one call can take longer to arrive than the next.
    assert (stats["last"] - stats["first"]) / (stats["accepted"] - 1) > 0.95 * 0.1 / 0.4


def test_a_target_without_a_list_is_searched_for_each_order(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dropday, "reader_options", Target.reader_options)
    pipeline = make_pipeline(20, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    deleted = pipeline.box.orders("dropday")[7]
    pipeline.box.change(deleted["reference"], "dropday", deleted=True)
    report = reconcile_pair(pipeline.rt, "dropday")
    assert (report.how, references_with(report, "missing")) == ("asked", [deleted["external_id"]])
    assert report.counts["unlisted"] == 19

"""Pairs of other kinds compared over HTTP: a delivered pair is clean, and each change in it is reported."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.poll
from support.reconciliation import is_clean, reconcile_pair, references_with
from support.redis_text import make_due
from support.sandbox import Sandbox
from support.settings_texts import BY_PROVIDER, Configured, dropboy, ordercloud, retailcrm, route
from worker.reconcile.repair import requeue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Runtime


ACCOUNTS = (
    "retailcrm:main:orders=24:spread=3600:fractions=0",
    "retailcrm:copy:timezone=America/New_York",
    "ordercloud:main:currency=",
    "dropboy:main",
)
#: The targets create the orders in their order, so that a test can say which of them it changes.
IN_TURN: dict[str, Any] = {"concurrency": 1}


class Pairs:
    """One source and three targets that receive its orders."""

    def __init__(self, box: Sandbox, rt: Runtime) -> None:
        self.box, self.rt = box, rt

    def deliver_all(self) -> None:
        until = time.monotonic() + 40
        while True:
            self.rt.redis.hdel("intake:cursor:shop", "retry_at")
            tasks.poll.poll(self.rt, "shop", lambda *_: None)
            for name, lane in self.rt.lanes.items():
                make_due(self.rt.redis, lane)
                tasks.deliver.deliver(self.rt, name, lambda *_: None)
            if not any(lane.status()["queued"] for lane in self.rt.lanes.values()):
                return
            assert time.monotonic() < until, [lane.status() for lane in self.rt.lanes.values()]
            time.sleep(0.1)


@pytest.fixture
def pairs(configured: Configured) -> Iterator[Pairs]:
    configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID)
    with Sandbox(systems="retailcrm,ordercloud,dropboy", accounts=ACCOUNTS, limits=["retailcrm=off"]) as box:
        rt = configured.open(
            retailcrm("providers.shop", box.url("retailcrm"), poll_every="1ms", overlap=0)
            + retailcrm(
                "targets.crm", box.url("retailcrm", "copy"), status_map={"cancelled": "cancel-other"}, **IN_TURN
            )
            + ordercloud("targets.cloud", box.url("ordercloud"), limit="none", **IN_TURN)
            + dropboy("targets.boy", box.url("dropboy"), limit="none", **IN_TURN)
            + route("shop", "crm", "cloud", "boy", reference=BY_PROVIDER)
        )
        rt.ledger.assume_no_predecessor()
        yield Pairs(box, rt)


#: For each field, a change by people in the target that the report must name, and that a repair leaves as it is.
CRM: dict[str, dict[str, Any]] = {
    "email": {"email": "somebody@else.example"},
    "first_name": {"firstName": "Somebody"},
    "phone": {"phone": "+31 20 555 01 99"},
}


def test_delivered_pairs_are_clean_and_each_injected_change_is_named(pairs: Pairs) -> None:
    pairs.deliver_all()
    for target in ("crm", "cloud", "boy"):
        report = reconcile_pair(pairs.rt, target)
        assert is_clean(report), target
        assert (report.counts["source"], report.counts["target"]) == (24, 24)
    stored = pairs.box.orders("retailcrm", "copy")
    # Fields that the source lacks are not compared: people may add them in the target.
    full = [order for order in stored if order.get("email") and order.get("firstName") and order.get("phone")]
    # One that was cancelled at its source is not missed, and its fields are not compared.
    orders = [order for order in full if order["status"] != "cancel-other"]
    for order, change in zip(orders, CRM.values(), strict=False):
        pairs.box.change(order["id"], account="copy", **change)
    cheap = orders[9]
    cheaper = [{**item, "initialPrice": item["initialPrice"] + 1} for item in cheap["items"]]
    pairs.box.change(cheap["id"], account="copy", items=cheaper, firstName="Somebody")
    pairs.box.change(orders[10]["id"], account="copy", deleted=True)
    pairs.box.add_order({"externalId": "shop:900000000"}, account="copy")
    pairs.box.add_order({"externalId": "another-shop:1"}, account="copy")
    report = reconcile_pair(pairs.rt, "crm", repair=requeue)
    assert {finding.reference: finding.fields for finding in report.findings if finding.fault == "edited"} == {
        order["externalId"]: (name,) for order, name in zip(orders, CRM, strict=False)
    }
    assert {finding.reference: finding.fields for finding in report.findings if finding.fault == "different"} == {
        cheap["externalId"]: ("total", "prices")
    }
    assert references_with(report, "missing") == [orders[10]["externalId"]]
    assert references_with(report, "extra") == ["shop:900000000"]
    assert report.counts["queued"] == 2
    pairs.deliver_all()
    after = reconcile_pair(pairs.rt, "crm")
    assert references_with(after, "extra") == ["shop:900000000"]
    assert after.counts["edited"] == len(after.findings) - 1 >= len(CRM)
    assert pairs.rt.lanes["crm"].status()["updated"] == 1


def test_a_change_that_no_poll_has_read_is_pending_and_not_a_fault(pairs: Pairs) -> None:
    """No poll has read the change, and the target lacks it; the comparison itself moves no cursor."""
    pairs.deliver_all()
    order = pairs.box.orders("retailcrm")[5]
    pairs.box.change(order["id"], email="new@address.example")
    report = reconcile_pair(pairs.rt, "crm")
    assert (is_clean(report), report.counts["on_the_way"]) == (True, 1)
    pairs.deliver_all()
    assert is_clean(reconcile_pair(pairs.rt, "crm"))


def test_reconcile_names_and_repairs_faults_in_ordercloud(pairs: Pairs) -> None:
    pairs.deliver_all()
    orders = pairs.box.orders("ordercloud")
    gone, lines, cost = orders[3], orders[4], orders[5]
    pairs.box.change(gone["ID"], "ordercloud", deleted=True)
    first = lines["LineItems"][0]
    changed_lines = [
        {"ID": first["ID"], "Quantity": first["Quantity"] + 1},
        *({"ID": line["ID"]} for line in lines["LineItems"][1:]),
    ]
    pairs.box.change(lines["ID"], "ordercloud", LineItems=changed_lines)
    pairs.box.change(cost["ID"], "ordercloud", ShippingCost=987.5)
    report = reconcile_pair(pairs.rt, "cloud", repair=requeue)
    assert references_with(report, "missing") == [gone["ID"]]
    assert {finding.reference: finding.fields for finding in report.findings if finding.fault == "different"} == {
        lines["ID"]: ("goods", "prices", "total"),
        cost["ID"]: ("shipping", "total"),
    }
    assert (len(report.findings), report.counts["queued"]) == (3, 3)
    pairs.deliver_all()
    assert is_clean(reconcile_pair(pairs.rt, "cloud"))


def test_reconcile_names_faults_in_dropboy_and_requeues_missing_orders(pairs: Pairs) -> None:
    pairs.deliver_all()
    gone, moved, twice = pairs.box.orders("dropboy")[3:6]  # none of them is cancelled at its source
    pairs.box.change(gone["id"], "dropboy", deleted=True)
    pairs.box.change(moved["id"], "dropboy", destination=moved["destination"] | {"city": "Elsewhere"})
    copy = {name: twice[name] for name in ("orderNumber", "orderType", "origin", "destination", "cargo", "comments")}
    pairs.box.add_order(copy, "dropboy")
    report = reconcile_pair(pairs.rt, "boy", repair=requeue)
    assert {finding.fault: (finding.reference, finding.fields) for finding in report.findings} == {
        "missing": (gone["orderNumber"], ()),
        "different": (moved["orderNumber"], ("city",)),
        "duplicated": (twice["orderNumber"], ()),
    }
    assert report.counts["queued"] == 1
    pairs.deliver_all()
    assert references_with(reconcile_pair(pairs.rt, "boy"), "missing") == []
    assert len(pairs.box.orders("dropboy")) == 25


def test_reconcile_reports_no_fault_while_orders_are_placed_changed_and_delivered(pairs: Pairs) -> None:
    pairs.deliver_all()
    stopped, failed = threading.Event(), []

    def flow() -> None:
        """Place, change, poll and deliver orders until the test stops."""
        number = 0
        try:
            while not stopped.is_set():
                number += 1
                (placed,) = pairs.box.add_orders(1)
                pairs.box.change(placed, customerComment=f"Ring {number} times", email=f"n{number}@example.org")
                pairs.box.change(pairs.box.orders("retailcrm")[number % 24]["id"], firstName=f"Name {number}")
                tasks.poll.poll(pairs.rt, "shop", lambda *_: None)
                tasks.deliver.deliver(pairs.rt, "crm", lambda *_: None)
        except Exception as error:  # noqa: BLE001  # reported at the end
            failed.append(error)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        reports = [reconcile_pair(pairs.rt, "crm") for _ in range(3)]
    finally:
        stopped.set()
        thread.join()
    assert failed == []
    assert [is_clean(report) for report in reports] == [True] * 3
    assert reports[-1].counts["source"] > 26
    pairs.deliver_all()
    assert is_clean(reconcile_pair(pairs.rt, "crm"))

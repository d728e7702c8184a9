"""The RetailCRM target against the simulator: many orders in one call, and changes of existing orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from schemas.changes import Changes
from schemas.order import Order
from support.sandbox import Sandbox
from worker.errors import AuthFailed, Held, IntakeError, Misdirected, RateLimited, Rejected, Uncertain
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.retailcrm.options import RetailCRMOptions
from worker.systems.retailcrm.target import RetailCRM
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
READINGS = ("lists", "maps", "bare")
STATUSES = {"new": "new", "cancelled": "cancel-other"}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [f"retailcrm:{reading}:upload={reading}" for reading in READINGS]
    accounts += ["retailcrm:main", "retailcrm:merging:edit=merge", "retailcrm:shops:sites=a+b"]
    with Sandbox(accounts=accounts, limits=["retailcrm=off"], systems="retailcrm") as running:
        yield running


@pytest.fixture
def crm(box: Sandbox) -> Iterator[Callable[..., RetailCRM]]:
    clients: list[Client] = []

    def make(account: str = "main", **options: Any) -> RetailCRM:
        statuses = RetailCRM.throttle_statuses
        clients.append(Client(box.url("retailcrm", account), gate=Open(), headers={}, throttle_statuses=statuses))
        settings = RetailCRMOptions.model_validate({"api_key": Sandbox.KEY, "status_map": STATUSES, **options})
        return RetailCRM(account, settings, clients[-1])

    yield make
    for client in clients:
        client.close()


def new_order(**fields: Any) -> Order:
    lines = [{"name": "Mug", "quantity": "2", "unit_price": "9.9"}]
    base = {"provider": "shop", "external_id": "1", "status": "new", "ordered_at": YESTERDAY, "totals": {}}
    return Order.model_validate({**base, "lines": lines, **fields})


def invalid_order() -> Order:
    """Return an order that RetailCRM rejects."""
    return new_order(lines=[{"name": "Mug", "quantity": "0", "unit_price": "9.9"}])


def batch(prefix: str, count: int) -> list[tuple[Order, str]]:
    return [(new_order(), f"{prefix}-{n}") for n in range(count)]


def calls(box: Sandbox, since: int) -> list[str]:
    return [entry["path"].rpartition("/")[2].partition("?")[0] for entry in box.journal(since, kind="request")]


def journal_end(box: Sandbox) -> int:
    entries = box.journal()
    return int(entries[-1]["seq"]) if entries else 0


def ids_by_reference(box: Sandbox, account: str, prefix: str) -> dict[str, str]:
    """Return the ids by external id; fail if an external id occurs twice."""
    orders = [
        order for order in box.orders("retailcrm", account) if str(order.get("externalId", "")).startswith(prefix)
    ]
    ids = {order["externalId"]: str(order["id"]) for order in orders}
    assert len(ids) == len(orders)
    return ids


def results(outcomes: Sequence[Receipt | IntakeError]) -> list[Any]:
    return [outcome if isinstance(outcome, Receipt) else type(outcome) for outcome in outcomes]


@pytest.mark.parametrize("reading", READINGS)
def test_fifty_orders_are_created_in_one_call_and_each_gets_its_own_id(
    box: Sandbox, crm: Callable[..., RetailCRM], reading: str
) -> None:
    target, orders = crm(reading, time_zone="UTC"), batch("whole", RetailCRM.bulk)
    before = journal_end(box)
    receipts = target.create_many(orders)
    ids = ids_by_reference(box, reading, "whole")
    assert [r.target_id for r in receipts if isinstance(r, Receipt)] == [ids[reference] for _, reference in orders]
    assert {r.existed for r in receipts if isinstance(r, Receipt)} == {reading == "bare"}
    assert calls(box, before) == ["upload"] + ["orders"] * (reading == "bare")


@pytest.mark.parametrize("reading", READINGS)
def test_one_bad_order_of_fifty_fails_alone_and_with_its_own_reason(
    box: Sandbox, crm: Callable[..., RetailCRM], reading: str
) -> None:
    orders = batch("bad", RetailCRM.bulk)
    orders[17] = (invalid_order(), "bad-17")
    outcomes = crm(reading).create_many(orders)
    ids = ids_by_reference(box, reading, "bad")
    assert [outcome.target_id for outcome in outcomes if isinstance(outcome, Receipt)] == [
        ids[reference] for _, reference in orders if reference != "bad-17"
    ]
    refused = outcomes[17]
    assert isinstance(refused, Rejected)
    assert refused.fields == {"items[0].quantity": "This value is not valid."}
    assert len(ids) == 49


@pytest.mark.parametrize("reading", READINGS)
def test_an_existing_batch_is_found_with_one_call(box: Sandbox, crm: Callable[..., RetailCRM], reading: str) -> None:
    target, orders = crm(reading, time_zone="UTC"), batch("twice", RetailCRM.bulk)
    target.create_many(orders)
    before = journal_end(box)
    again = target.create_many(orders)
    ids = ids_by_reference(box, reading, "twice")
    assert again == [Receipt(ids[reference], existed=True) for _, reference in orders]
    assert calls(box, before) == ["upload", "orders"]


def test_an_order_that_cannot_be_serialized_does_not_block_the_others(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    orders = batch("odd", 3)
    orders[1] = (new_order(ordered_at="9999-12-31T23:59:59Z"), "odd-1")
    outcomes = crm().create_many(orders)
    assert results(outcomes) == [Receipt(ids_by_reference(box, "main", "odd")["odd-0"]), Rejected, outcomes[2]]
    assert str(outcomes[1]) == "the order cannot be written: ordered_at"
    assert results(crm().create_many(orders[1:2])) == [Rejected]


def test_two_orders_with_the_same_reference_never_share_a_call(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    outcomes = crm().create_many([(new_order(), "same"), (new_order(), "same")])
    assert results(outcomes) == [Receipt(ids_by_reference(box, "main", "same")["same"]), Uncertain]


def test_a_batch_is_looked_up_within_its_site(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    a, b = crm("shops", site="a").create_many(batch("twin", 2)), crm("shops", site="b").create_many(batch("twin", 2))
    assert not {r.target_id for r in a if isinstance(r, Receipt)} & {r.target_id for r in b if isinstance(r, Receipt)}
    again = crm("shops", site="b").create_many(batch("twin", 2))
    assert [r.target_id for r in again if isinstance(r, Receipt)] == [r.target_id for r in b if isinstance(r, Receipt)]


def test_a_rejection_of_the_whole_batch_is_raised_and_settles_no_order(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    """The other sites are not searched: the reference can belong to another order there."""
    crm("shops", site="a").create_many(batch("mine", 2))
    for options in ({}, {"site": "c"}):
        before = journal_end(box)
        with pytest.raises(Rejected):
            crm("shops", time_zone="UTC", **options).create_many(batch("mine", 2))
        assert calls(box, before) == ["upload"]


def test_absent_orders_are_determined_with_one_call(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    crm().create_many(batch("seen", 2))
    before = journal_end(box)
    assert crm().absent(["seen-0", "seen-1", "seen-2", "SEEN-1"]) == ["seen-2", "SEEN-1"]
    assert calls(box, before) == ["orders"]
    with pytest.raises(AuthFailed):
        crm(api_key="wrong").absent(["seen-0"])


def test_an_order_of_another_site_is_not_absent_when_no_site_is_configured(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    crm("shops", site="a").create_many(batch("other", 1))
    assert crm("shops").absent(["other-0", "other-1"]) == ["other-1"]
    assert crm("shops", site="b").absent(["other-0", "other-1"]) == ["other-0", "other-1"]


@pytest.mark.parametrize("kind", ["500_after", "cut_after", "html_after"])
def test_a_batch_with_a_lost_response_is_uncertain_and_then_found(
    box: Sandbox, crm: Callable[..., RetailCRM], kind: str
) -> None:
    target, orders = crm(), batch(kind, 3)
    box.fault(f"retailcrm:upload:{kind}:times=1")
    with pytest.raises(Uncertain):
        target.create_many(orders)
    assert results(target.create_many(orders)) == [
        Receipt(ids_by_reference(box, "main", kind)[reference], existed=True) for _, reference in orders
    ]


@pytest.mark.parametrize(
    ("fault", "expected"), [("503", RateLimited), ("500", Uncertain), ("cut", Uncertain), ("401", AuthFailed)]
)
def test_created_orders_keep_their_receipts_when_the_others_cannot_be_looked_up(
    box: Sandbox, crm: Callable[..., RetailCRM], fault: str, expected: type[IntakeError]
) -> None:
    prefix = f"half-{fault}"
    target, orders = crm(), batch(prefix, 3)
    target.create_many(orders[:1])
    box.fault(f"retailcrm:list:{fault}:times=1")
    outcomes = target.create_many(orders)
    ids = ids_by_reference(box, "main", prefix)
    assert results(outcomes) == [expected, Receipt(ids[f"{prefix}-1"]), Receipt(ids[f"{prefix}-2"])]
    assert isinstance(outcomes[0], Uncertain) or getattr(outcomes[0], "uncertain", False)


def test_after_a_refused_lookup_of_the_batch_each_order_is_settled_alone(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    target, orders = crm(), batch("long", 3)
    target.create_many(orders[:1])
    box.fault("retailcrm:list:414:times=1")
    ids = ids_by_reference(box, "main", "long")
    assert target.create_many(orders)[0] == Receipt(ids["long-0"], existed=True)


def test_a_rate_limit_during_the_single_calls_keeps_the_earlier_receipts(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    orders = [*batch("slow", 1), (invalid_order(), "slow-1"), (invalid_order(), "slow-2"), (invalid_order(), "slow-3")]
    box.fault("retailcrm:create:503:skip=1:times=1")
    outcomes = crm().create_many(orders)
    assert results(outcomes) == [
        Receipt(ids_by_reference(box, "main", "slow")["slow-0"]),
        Rejected,
        RateLimited,
        RateLimited,
    ]


def stored(box: Sandbox, account: str, reference: str) -> dict[str, Any]:
    return next(order for order in box.orders("retailcrm", account) if order.get("externalId") == reference)


FULL: dict[str, Any] = {
    "display_id": "SO-1",
    "lines": [
        {"name": "Mug", "quantity": "2", "unit_price": "9.9", "discount": "2", "sku": "M"},
        {"name": "Mug", "quantity": "1", "unit_price": "12", "options": {"Size": "XL"}},
        {"name": "Tea", "quantity": "1.5", "unit_price": "26.5333"},
    ],
    "totals": {"shipping": "4.95", "discount": "1"},
    "shipping_address": {"first_name": "Ada", "street1": "Oude Delft 12", "city": "Delft", "country": "NL"},
}


@pytest.mark.parametrize("account", ["main", "merging"])
def test_an_update_changes_the_order_and_repeating_it_changes_nothing(
    box: Sandbox, crm: Callable[..., RetailCRM], account: str
) -> None:
    target = crm(account)
    made = target.create(new_order(**FULL), "change").target_id
    before = stored(box, account, "change")
    target.update(new_order(**FULL), "change", made or "", Changes.all(new_order(**FULL)))
    kept = [[item["id"] for item in order["items"]] for order in (before, stored(box, account, "change"))]
    assert kept[0] == kept[1]
    fields = {**FULL, "lines": [FULL["lines"][0] | {"quantity": "3", "discount": "0"}, FULL["lines"][2]], "totals": {}}
    fields["shipping_address"] = {**FULL["shipping_address"], "city": "Den Haag"}
    changed = new_order(**fields, ordered_at=YESTERDAY - timedelta(hours=1), note="Ring twice")
    target.update(changed, "change", made or "", Changes.all(changed))
    after = stored(box, account, "change")
    assert (after["id"], after["createdAt"], after["externalId"]) == (before["id"], before["createdAt"], "change")
    assert [item["id"] for item in after["items"]] == [before["items"][n]["id"] for n in (0, 2)]
    assert [(item["quantity"], item["initialPrice"]) for item in after["items"]] == [(3, 9.9), (1.5, 26.54)]
    assert (after["delivery"]["address"]["city"], after["customerComment"]) == ("Den Haag", "Ring twice")
    assert (after["discountManualAmount"], after["totalSumm"]) == (0.01, 69.5)
    history = len(box.journal(kind="effect"))
    target.update(changed, "change", "", Changes.all(changed))
    assert stored(box, account, "change") == after
    assert len(box.journal(kind="effect")) == history


def test_a_cancellation_changes_the_status_and_is_held_without_a_status_code(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    cancelled = new_order(status="cancelled")
    crm().create(new_order(), "off")
    with pytest.raises(Held, match="status_map has no code for cancelled: add it"):
        crm(status_map={}).change(cancelled, "off", "", Changes.all(cancelled))
    assert stored(box, "main", "off")["status"] == "new"
    shipped = new_order(status="shipped")
    crm(status_map={}).update(shipped, "off", "", Changes.all(shipped))
    assert stored(box, "main", "off")["status"] == "new"
    crm().change(cancelled, "off", "", Changes.all(cancelled))
    assert stored(box, "main", "off")["status"] == "cancel-other"


def test_an_order_to_be_stopped_that_cannot_be_written_gets_its_status_alone(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    target = crm(status_map={**STATUSES, "on_hold": "no-call"})
    target.create(new_order(), "alone")
    for status, code, outcome in (("on_hold", "no-call", "updated"), ("cancelled", "cancel-other", "cancelled")):
        stopped = new_order(status=status, totals={"grand": "-1"}, note="Ring")
        assert target.cancels(stopped)
        assert target.change(stopped, "alone", "", Changes.all(stopped)) == outcome
        assert (stored(box, "main", "alone")["status"], stored(box, "main", "alone").get("customerComment")) == (
            code,
            None,
        )
    refused = new_order(status="cancelled", lines=invalid_order().lines)
    assert target.change(refused, "alone", "", Changes.all(refused)) == "cancelled_alone"
    with pytest.raises(Held, match="by someone else"):
        target.cancel(new_order(external_id="2", status="cancelled"), "alone", "")


def test_an_update_does_not_recreate_a_deleted_order(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    made = crm().create(new_order(), "gone").target_id or ""
    box.change(made, deleted=True)
    with pytest.raises(Rejected, match="not there any more"):
        crm().update(new_order(), "gone", made, Changes.all(new_order()))
    assert ids_by_reference(box, "main", "gone") == {}


def test_a_rejected_change_names_the_invalid_field(crm: Callable[..., RetailCRM]) -> None:
    crm().create(new_order(), "wrong")
    with pytest.raises(Rejected, match=r"status 400: items\[0\]\.quantity$"):
        crm().update(invalid_order(), "wrong", "", Changes.all(invalid_order()))


@pytest.mark.parametrize("kind", ["500_after", "cut_after", "html_after"])
def test_a_change_with_a_lost_response_can_be_sent_again(
    box: Sandbox, crm: Callable[..., RetailCRM], kind: str
) -> None:
    crm().create(new_order(), f"again-{kind}")
    box.fault(f"retailcrm:edit:{kind}:times=1")
    with pytest.raises(Uncertain):
        crm().update(new_order(note="Ring"), f"again-{kind}", "", Changes.all(new_order(note="Ring")))
    before = stored(box, "main", f"again-{kind}")
    crm().update(new_order(note="Ring"), f"again-{kind}", "", Changes.all(new_order(note="Ring")))
    assert stored(box, "main", f"again-{kind}") == before


def test_an_order_that_people_moved_to_another_site_is_changed_and_cancelled_there(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    target = crm("shops", site="a")
    made = target.create(new_order(), "moved").target_id or ""
    other = target.create(new_order(external_id="2"), "other").target_id or ""
    box.change(made, account="shops", site="b")
    note = new_order(note="Ring")
    target.update(note, "moved", made, Changes.all(note))
    cancelled = new_order(status="cancelled")
    target.cancel(cancelled, "moved", made)
    (order,) = [order for order in box.orders("retailcrm", "shops") if str(order["id"]) == made]
    assert (order["site"], order.get("externalId"), order["status"]) == ("b", None, "cancel-other")
    assert order["customerComment"] == "Ring"
    for unknown in ("", other, "999999"):
        with pytest.raises(Rejected, match="not there any more"):
            target.update(note, "moved", unknown, Changes.all(note))


def test_a_change_is_made_in_its_own_site(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    ids = {site: crm("shops", site=site).create(new_order(), "both").target_id for site in "ab"}
    crm("shops", site="b").update(new_order(note="Ring"), "both", "", Changes.all(new_order(note="Ring")))
    comments = {str(order["id"]): order.get("customerComment") for order in box.orders("retailcrm", "shops")}
    assert (comments[str(ids["a"])], comments[str(ids["b"])]) == (None, "Ring")
    with pytest.raises(Misdirected, match="url is probably wrong"):
        crm("nobody", time_zone="UTC").update(new_order(), "both", "", Changes.all(new_order()))

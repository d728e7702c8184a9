"""The RetailCRM target against the simulator: an order is created once, found again, and read back as it was sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from schemas.order import Order
from support.sandbox import Sandbox
from worker.errors import AuthFailed, RateLimited, Rejected, Uncertain
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.retailcrm.provider import RetailCRM as Reader
from worker.systems.retailcrm.provider import RetailCRMOptions as ReaderOptions
from worker.systems.retailcrm.target import RetailCRM, RetailCRMOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "retailcrm:main:orders=120:missing_ids=0",
        "retailcrm:copy:timezone=Asia/Tokyo",
        "retailcrm:list:duplicate=errors",
        "retailcrm:shops:sites=a+b",
    ]
    with Sandbox(accounts=accounts, limits=["retailcrm=off"], systems="retailcrm") as running:
        yield running


@pytest.fixture
def client(box: Sandbox) -> Iterator[Callable[[str], Client]]:
    clients: list[Client] = []

    def make(account: str) -> Client:
        statuses = RetailCRM.throttle_statuses
        clients.append(Client(box.url("retailcrm", account), gate=Open(), headers={}, throttle_statuses=statuses))
        return clients[-1]

    yield make
    for opened in clients:
        opened.close()


@pytest.fixture
def crm(client: Callable[[str], Client]) -> Callable[..., RetailCRM]:
    def make(account: str, **options: Any) -> RetailCRM:
        settings = RetailCRMOptions.model_validate({"api_key": Sandbox.KEY, **options})
        return RetailCRM(account, settings, client(account))

    return make


@pytest.fixture
def orders(client: Callable[[str], Client]) -> Callable[..., list[Order]]:
    """Return a function that reads all orders of an account."""

    def read(account: str) -> list[Order]:
        reader = Reader(account, ReaderOptions(api_key=Sandbox.KEY, echo="keep"), client(account))
        page = reader.fetch(reader.start(LONG_AGO))
        records = list(page.records)
        while page.more:
            page = reader.fetch(page.cursor)
            records += page.records
        return list({order.external_id: order for order in map(reader.normalize, records)}.values())

    return read


def new_order(**fields: Any) -> Order:
    lines = [{"name": "Mug", "quantity": "2", "unit_price": "9.9"}]
    base = {"provider": "shop", "external_id": "1", "status": "new", "ordered_at": LONG_AGO, "totals": {}}
    return Order.model_validate({**base, "lines": lines, **fields})


@pytest.mark.parametrize("account", ["copy", "list"])
def test_every_order_is_created_once_and_read_back_with_its_amounts_and_times(
    box: Sandbox, crm: Callable[..., RetailCRM], orders: Callable[..., list[Order]], account: str
) -> None:
    target = crm(account)
    target.check()
    sent = {f"main-{order.external_id}": order for order in orders("main")}
    first = {reference: target.create(order, reference) for reference, order in sent.items()}
    again = {reference: target.create(order, reference) for reference, order in sent.items()}
    assert {receipt.existed for receipt in first.values()} == {False}
    assert {reference: receipt.target_id for reference, receipt in again.items()} == {
        reference: receipt.target_id for reference, receipt in first.items()
    }
    assert {receipt.existed for receipt in again.values()} == {True}
    back = {order.source_id: order for order in orders(account)}
    assert back.keys() == sent.keys() == {order["externalId"] for order in box.orders("retailcrm", account)}
    for reference, order in sent.items():
        read_back = back[reference]
        assert (read_back.ordered_at, read_back.currency, read_back.totals.shipping) == (
            order.ordered_at,
            order.currency,
            order.totals.shipping,
        )
        assert [(line.quantity, line.unit_price) for line in read_back.lines] == [
            (line.quantity, line.unit_price) for line in order.lines
        ]
    whole = {reference for reference, order in sent.items() if all(line.quantity % 1 == 0 for line in order.lines)}
    assert len(whole) > 50
    assert {r for r in whole if back[r].totals.grand != sent[r].totals.grand} == set()
    assert target.find("main-") is None


@pytest.mark.parametrize("kind", ["500_after", "cut_after", "html_after"])
def test_a_create_with_a_lost_response_is_uncertain_and_then_found(
    box: Sandbox, crm: Callable[..., RetailCRM], kind: str
) -> None:
    target = crm("copy")
    box.fault(f"retailcrm:create:{kind}:times=1")
    with pytest.raises(Uncertain):
        target.create(new_order(), f"lost-{kind}")
    receipt = target.find(f"lost-{kind}")
    assert receipt is not None
    assert receipt.existed


def test_a_503_after_a_create_is_a_rate_limit_and_uncertain(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    box.fault("retailcrm:create:503_after:times=1")
    with pytest.raises(RateLimited) as caught:
        crm("copy").create(new_order(), "late")
    assert caught.value.uncertain


def test_a_reference_is_looked_up_within_its_site(crm: Callable[..., RetailCRM]) -> None:
    a, b = crm("shops", site="a"), crm("shops", site="b")
    created = a.create(new_order(), "twin")
    assert b.find("twin") is None
    assert not b.create(new_order(), "twin").existed
    assert a.create(new_order(), "twin").target_id == created.target_id
    with pytest.raises(Rejected, match="status 400: no field named"):
        crm("shops").create(new_order(), "nowhere")
    with pytest.raises(Rejected, match="status 400: site"):
        crm("shops", site="c").create(new_order(), "nowhere")


def test_a_rejected_order_names_the_invalid_field(crm: Callable[..., RetailCRM]) -> None:
    order = new_order(lines=[{"name": "Mug", "quantity": "0", "unit_price": "9.9"}])
    with pytest.raises(Rejected, match=r"status 400: items\[0\]\.quantity$") as caught:
        crm("copy").create(order, "nothing")
    assert caught.value.fields == {"items[0].quantity": "This value is not valid."}


def test_a_missing_account_is_reported_as_a_wrong_url(crm: Callable[..., RetailCRM]) -> None:
    calls: tuple[Callable[[], object], ...] = (
        crm("nobody").check,
        lambda: crm("nobody").find("1"),
        lambda: crm("nobody").create(new_order(), "1"),
    )
    for call in calls:
        with pytest.raises(AuthFailed, match="url is probably wrong"):
            call()
    with pytest.raises(AuthFailed, match="url is probably wrong"):
        crm("nobody", time_zone="UTC").create(new_order(), "1")
    with pytest.raises(AuthFailed, match="403"):
        crm("copy", api_key="wrong").check()

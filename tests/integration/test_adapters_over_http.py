"""The adapters against the simulated systems: orders are read completely, created once and found again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.sandbox import Sandbox
from worker.errors import AuthFailed, Malformed, Misdirected, Uncertain
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropday.target import Dropday, DropdayOptions
from worker.systems.retailcrm.provider import RetailCRM, RetailCRMOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.order import Order
    from worker.systems.provider import Page

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "retailcrm:main:orders=230:spread=3600:missing_ids=0",
        "retailcrm:hidden:timezone=Asia/Tokyo:currencies=default:currency=JPY",
        "retailcrm:shops:sites=a+b:key=ours+theirs",
        "dropday:main",
    ]
    with Sandbox(accounts=accounts, limits=["retailcrm=off", "dropday=off"]) as running:
        yield running


@pytest.fixture
def client(box: Sandbox) -> Iterator[Callable[..., Client]]:
    """Yield a function that makes clients for an account of a system, and close them at the end."""
    clients: list[Client] = []

    def make(system: str, account: str = "main", statuses: frozenset[int] = frozenset({429})) -> Client:
        clients.append(Client(box.url(system, account), gate=Open(), headers={}, throttle_statuses=statuses))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


@pytest.fixture
def crm(client: Callable[..., Client]) -> Callable[..., RetailCRM]:
    def make(account: str = "main", **options: Any) -> RetailCRM:
        settings = RetailCRMOptions.model_validate({"api_key": Sandbox.KEY, "page_size": 50, **options})
        return RetailCRM(account, settings, client("retailcrm", account, RetailCRM.throttle_statuses))

    return make


@pytest.fixture
def dropday(client: Callable[..., Client]) -> Dropday:
    settings = DropdayOptions.model_validate(
        {"api_key": Sandbox.KEY, "account_id": Sandbox.ACCOUNT_ID, "placeholder": "-"}
    )
    return Dropday("dropday", settings, client("dropday"))


def walk(provider: RetailCRM, cursor: str) -> tuple[list[Page], str]:
    """Return all pages of one pass, and the next cursor."""
    pages = [provider.fetch(cursor)]
    while pages[-1].more:
        pages.append(provider.fetch(pages[-1].cursor))
        assert len(pages) < 100
    return pages, pages[-1].cursor


def newest(provider: RetailCRM, pages: list[Page]) -> dict[str, Order]:
    """Return the newest version of each order."""
    orders: dict[str, Order] = {}
    for order in (provider.normalize(record) for page in pages for record in page.records):
        if order.external_id not in orders or (order.version or 0) >= (orders[order.external_id].version or 0):
            orders[order.external_id] = order
    return orders


def test_every_order_of_an_account_is_read_and_adds_up(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    provider = crm()
    pages, _ = walk(provider, provider.start(LONG_AGO))
    orders = newest(provider, pages)
    at_source = box.orders("retailcrm")
    assert orders.keys() == {str(order["id"]) for order in at_source}
    assert {order.source_id for order in orders.values()} == {order["externalId"] for order in at_source}
    with_whole_quantities = [order for order in orders.values() if all(line.quantity % 1 == 0 for line in order.lines)]
    assert len(with_whole_quantities) > 100
    assert [order.external_id for order in with_whole_quantities if not order.adds_up] == []


def test_a_pass_without_new_orders_keeps_its_cursor(crm: Callable[..., RetailCRM]) -> None:
    provider = crm(overlap=0)
    _, cursor = walk(provider, provider.start(LONG_AGO))
    assert provider.fetch(cursor).cursor == cursor
    assert provider.fetch(cursor).records == []


def test_changes_are_read_and_deleted_orders_are_removed(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    provider = crm(overlap=0)
    kept, gone = box.add_orders(2)
    _, cursor = walk(provider, provider.start(LONG_AGO))
    box.change(kept, status="complete")
    box.change(gone, deleted=True)
    pages, _ = walk(provider, cursor)
    read = newest(provider, pages)
    assert {key: (order.status.value, order.removed) for key, order in read.items()} == {
        kept: ("delivered", None),
        gone: ("cancelled", "deleted"),
    }
    assert provider.fetch_one(gone) is None
    again = provider.fetch_one(kept)
    assert again is not None
    assert provider.normalize(again).fingerprint() == newest(provider, pages)[kept].fingerprint()


def test_a_stretch_of_empty_pages_does_not_hide_what_comes_after_it(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    provider = crm("hidden", page_size=20, overlap=0)
    before = box.add_orders(3, account="hidden")
    first, cursor = walk(provider, provider.start(LONG_AGO))
    box.add_orders(0, account="hidden", hidden=90)
    after = box.add_orders(30, account="hidden")
    pages, _ = walk(provider, cursor)
    orders = newest(provider, first + pages)
    assert orders.keys() == {*before, *after}
    assert {order.currency for order in orders.values()} == {"JPY"}
    assert any(page.more and not page.records for page in pages)
    euro = crm("hidden", currency="EUR")
    assert {order.currency for order in newest(euro, [euro.fetch(euro.start(LONG_AGO))]).values()} == {"EUR"}


def test_echoes_are_left_out_unless_they_are_configured(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    for key in ("ours", "theirs"):
        order = f'{{"externalId": "{key}", "items": [], "firstName": "Ada"}}'
        url = f"{box.url('retailcrm', 'shops')}/api/v5/orders/create"
        response = requests.post(url, data={"order": order, "site": "a"}, headers={"X-API-KEY": key}, timeout=20)
        assert response.status_code == 201

    def read(**options: Any) -> set[str | None]:
        provider = crm("shops", api_key="ours", **options)
        return {order.source_id for order in newest(provider, walk(provider, provider.start(LONG_AGO))[0]).values()}

    assert read() == {"theirs"}
    assert read(echo="keep") == {"ours", "theirs"}
    assert read(site="b") == set()
    assert read(site="a") == {"theirs"}


def test_a_malformed_record_does_not_affect_the_others(box: Sandbox, crm: Callable[..., RetailCRM]) -> None:
    provider = crm(overlap=0)
    _, cursor = walk(provider, provider.start(LONG_AGO))
    bad = box.add_order({"externalId": "BAD", "items": [{"id": 1, "initialPrice": 1, "quantity": "many"}]})
    good = box.add_orders(1)
    records = {str(record.raw["id"]): record for record in provider.fetch(cursor).records}
    assert records.keys() == {bad, *good}
    assert provider.normalize(records[good[0]]).external_id == good[0]
    with pytest.raises(Malformed, match=r"items\[0\]\.quantity"):
        provider.normalize(records[bad])
    box.change(bad, deleted=True)


def test_a_missing_account_is_reported_as_a_wrong_url(crm: Callable[..., RetailCRM]) -> None:
    with pytest.raises(Misdirected, match="url is probably wrong"):
        crm("nobody").check()
    with pytest.raises(Misdirected, match="url is probably wrong"):
        crm("nobody", time_zone="UTC").fetch_one("7")
    with pytest.raises(AuthFailed, match="403"):
        crm(api_key="wrong").check()


def test_every_order_is_created_once_and_found_again(
    box: Sandbox, crm: Callable[..., RetailCRM], dropday: Dropday
) -> None:
    provider = crm()
    read = newest(provider, walk(provider, provider.start(LONG_AGO))[0]).values()
    orders = [order for order in read if order.removed is None]
    dropday.check()
    first = {order.key: dropday.create(order, f"crm-{order.external_id}") for order in orders}
    again = {order.key: dropday.create(order, f"crm-{order.external_id}") for order in orders}
    assert {receipt.existed for receipt in first.values()} == {False}
    assert {receipt.existed for receipt in again.values()} == {True}
    assert len({receipt.target_id for receipt in first.values()}) == len(first) == len(box.orders("dropday"))
    receipts = {order.key: dropday.find(f"crm-{order.external_id}") for order in list(orders)[:20]}
    assert {key: receipt and receipt.target_id for key, receipt in receipts.items()} == {
        key: first[key].target_id for key in receipts
    }
    assert dropday.find("crm-") is None


@pytest.mark.parametrize("kind", ["500_after", "cut_after", "html_after"])
def test_a_create_with_a_lost_response_is_uncertain_and_then_found(
    box: Sandbox, crm: Callable[..., RetailCRM], dropday: Dropday, kind: str
) -> None:
    provider = crm()
    read = newest(provider, walk(provider, provider.start(LONG_AGO))[0]).values()
    order = next(order for order in read if order.removed is None)
    box.fault(f"dropday:create:{kind}:times=1")
    with pytest.raises(Uncertain):
        dropday.create(order, f"lost-{kind}")
    receipt = dropday.find(f"lost-{kind}")
    assert receipt is not None
    assert receipt.existed

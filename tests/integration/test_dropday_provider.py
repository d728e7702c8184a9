"""Dropday as a provider against the simulator: no order is lost in a list that shifts while it is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.sandbox import Sandbox
from worker.errors import AuthFailed, Misdirected
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropday.provider import Dropday, DropdayOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.order import Order

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "dropday:main:orders=130:spread=3600",
        "dropday:flat:orders=130:spread=3600:paginator=flat",
        "dropday:shifting:orders=130",
        "dropday:shrinking:orders=60:spread=3600",
        "dropday:changing:orders=5",
        "dropday:east:timezone=Pacific/Kiritimati:orders=5:spread=600",
        "dropday:west:timezone=Etc/GMT+12:orders=5:spread=600",
        "dropday:tests",
    ]
    with Sandbox(accounts=accounts, systems="dropday") as running:
        yield running


@pytest.fixture
def dropday(box: Sandbox) -> Iterator[Callable[..., Dropday]]:
    clients: list[Client] = []

    def make(account: str, **options: Any) -> Dropday:
        settings = {"api_key": Sandbox.KEY, "account_id": Sandbox.ACCOUNT_ID, "page_size": 20, **options}
        clients.append(Client(box.url("dropday", account), gate=Open(), headers={}))
        return Dropday(account, DropdayOptions.model_validate(settings), clients[-1])

    yield make
    for each in clients:
        each.close()


def walk(provider: Dropday, cursor: str, between: Callable[[int], object] = lambda _: None) -> tuple[list[Order], str]:
    """Return the orders of one pass as received, and the next cursor; call `between` after each page."""
    orders: list[Order] = []
    for number in range(100):
        page = provider.fetch(cursor)
        orders += map(provider.normalize, page.records)
        cursor = page.cursor
        between(number)
        if not page.more:
            return orders, cursor
    raise AssertionError("the pass does not end")


def keys(orders: list[Order]) -> list[str]:
    return [order.external_id for order in orders]


@pytest.mark.parametrize("account", ["main", "flat"])
def test_every_order_is_read_once_with_both_styles_of_paging(
    box: Sandbox, dropday: Callable[..., Dropday], account: str
) -> None:
    provider = dropday(account)
    provider.check()
    orders, _ = walk(provider, provider.start(LONG_AGO))
    at_source = box.orders("dropday", account)
    assert len(orders) == len(at_source) == 130
    assert set(keys(orders)) == {order["reference"] for order in at_source}
    assert {order.source_id for order in orders} == {order["external_id"] for order in at_source}
    assert [order.currency for order in orders] == [None] * 130
    single = provider.fetch_one(orders[0].external_id)
    assert single is not None
    assert provider.normalize(single).fingerprint() == orders[0].fingerprint()  # it has logs besides
    assert provider.fetch_one("4711") is None


def test_orders_added_to_the_front_during_a_pass_hide_no_other_order(
    box: Sandbox, dropday: Callable[..., Dropday]
) -> None:
    provider = dropday("shifting")
    before = {order["reference"] for order in box.orders("dropday", "shifting")}
    box.fault("dropday:list:insert:account=shifting:times=6")
    seen, cursor = walk(provider, provider.start(LONG_AGO))
    assert len(before) == 130
    assert before <= set(keys(seen))
    assert len(seen) > len(set(keys(seen)))  # the list did shift
    after = {order["reference"] for order in box.orders("dropday", "shifting")}
    assert len(after) == 136
    more, again = walk(provider, cursor)
    assert set(keys(seen)) | set(keys(more)) == after
    assert sorted(keys(more)) == sorted(after)  # an unchanged list is read once
    assert again == cursor


def test_orders_deleted_during_a_pass_hide_no_other_order(box: Sandbox, dropday: Callable[..., Dropday]) -> None:
    provider = dropday("shrinking")
    newest = [order["reference"] for order in reversed(box.orders("dropday", "shrinking"))]
    deleted = newest[:7]

    def delete_newest(page: int) -> None:
        if page == 0:
            for reference in deleted:
                box.change(reference, "dropday", "shrinking", deleted=True)

    seen, _ = walk(provider, provider.start(LONG_AGO), delete_newest)
    assert set(newest) == set(keys(seen))
    assert len(newest) == 60


def test_a_change_within_the_window_is_read_with_a_higher_version(
    box: Sandbox, dropday: Callable[..., Dropday]
) -> None:
    provider = dropday("changing")
    first, cursor = walk(provider, provider.start(LONG_AGO))
    changed = first[2]
    box.change(changed.external_id, "dropday", "changing", current_status="completed")
    again = {order.external_id: order for order in walk(provider, cursor)[0]}
    now = again[changed.external_id]
    assert (changed.status, now.status) == ("new", "processing")
    assert (now.version or 0) > (changed.version or 0) > 10**15
    assert [order for order in first if order != changed] == [
        again[order.external_id] for order in first if order != changed
    ]


@pytest.mark.parametrize("account", ["east", "west"])
def test_no_order_is_left_out_in_any_time_zone_of_an_account(dropday: Callable[..., Dropday], account: str) -> None:
    provider = dropday(account)
    assert len(walk(provider, provider.start(datetime.now(UTC) - timedelta(hours=2)))[0]) == 5


def test_test_orders_are_read_only_if_configured(box: Sandbox, dropday: Callable[..., Dropday]) -> None:
    product = {"name": "Mug", "price": 1, "quantity": 1}
    order = {"external_id": "T-1", "source": "shop", "test": True, "total": 1, "products": [product]}
    reference = box.add_order(order, "dropday", "tests")
    by_default, with_tests = dropday("tests"), dropday("tests", include_test=True)
    assert walk(by_default, by_default.start(LONG_AGO))[0] == []
    assert keys(walk(with_tests, with_tests.start(LONG_AGO))[0]) == [reference]


def test_a_missing_account_is_reported_as_a_wrong_url(dropday: Callable[..., Dropday]) -> None:
    nobody = dropday("nobody")
    for call in (nobody.check, lambda: nobody.fetch(nobody.start(LONG_AGO)), lambda: nobody.fetch_one("98")):
        with pytest.raises(Misdirected, match="url is probably wrong"):
            call()
    with pytest.raises(AuthFailed, match="401"):
        dropday("main", api_key="wrong").check()

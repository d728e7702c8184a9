"""DropStream's adapter against the simulated DropStream: every order is read although sessions end."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from support.sandbox import Sandbox
from worker.errors import AuthFailed, IntakeError, Malformed, Unavailable
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropstream.provider import DropStream, DropStreamOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_AGO = datetime.now(UTC) - timedelta(days=2)
ENDED = ("400", "401", "403", "404", "410", "422", "500")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "dropstream:many:orders=25000:spread=86400:session_life=1",
        "dropstream:main:orders=300:spread=86400",
        "dropstream:waits:orders=5:spread=60",
        "dropstream:numbers:orders=40:money=numbers:bounds=inclusive:quantity=absent",
        *(f"dropstream:ended{status}:orders=60:session_life=0.1:expired={status}" for status in ENDED),
    ]
    with Sandbox(systems="dropstream", accounts=accounts) as running:
        yield running


@pytest.fixture
def shop(box: Sandbox) -> Iterator[Callable[..., DropStream]]:
    """Yield a function that makes providers for an account."""
    clients: list[Client] = []

    def make(account: str = "main", **options: Any) -> DropStream:
        clients.append(Client(box.url("dropstream", account), gate=Open(), headers={}))
        settings = {"user": "sandbox-user", "password": Sandbox.KEY, **options}
        return DropStream(account, DropStreamOptions.model_validate(settings), clients[-1])

    yield make
    for each in clients:
        each.close()


def walk(provider: DropStream, cursor: str, after: Callable[[int], object] = lambda _: None) -> tuple[list[str], str]:
    """Return the ids of one pass as received, and the next cursor; call `after` with the number of each page."""
    seen: list[str] = []
    for number in range(200):
        page = provider.fetch(cursor)
        seen += [str(record.raw["id"]) for record in page.records]
        cursor = page.cursor
        if not page.more:
            return seen, cursor
        after(number)
    raise AssertionError("the pass does not end")


def everything(box: Sandbox, account: str = "main") -> set[str]:
    return {str(order["id"]) for order in box.orders("dropstream", account)}


def test_orders_beyond_the_last_page_are_read_while_sessions_end_and_orders_arrive(
    box: Sandbox, shop: Callable[..., DropStream]
) -> None:
    provider, before = shop("many"), len(box.journal(did="expired"))

    def disturb(number: int) -> None:
        box.add_orders(5, "dropstream", "many")
        if number in {4, 15}:
            time.sleep(1.1)

    seen, cursor = walk(provider, provider.start(LONG_AGO), disturb)
    ids = everything(box, "many")
    assert len(ids) > 25_000
    assert set(seen) == ids
    repeated = [order_id for order_id, times in Counter(seen).items() if times > 1]
    assert len(repeated) < 1000, "a new session repeats the overlap only"
    assert len(box.journal(did="expired")) - before >= 2, "a slow machine ends sessions besides these two"
    again, _ = walk(provider, cursor)
    assert set(again) <= ids


def test_without_disturbance_a_pass_reads_every_order_once(box: Sandbox, shop: Callable[..., DropStream]) -> None:
    provider = shop(page_size=50)
    seen, cursor = walk(provider, provider.start(LONG_AGO))
    assert sorted(seen) == sorted(everything(box))
    assert provider.fetch(cursor).cursor == cursor


@pytest.mark.parametrize("status", ENDED)
def test_a_pass_continues_after_a_session_ended_with_any_status(
    box: Sandbox, shop: Callable[..., DropStream], status: str
) -> None:
    account = f"ended{status}"
    provider = shop(account, page_size=50)
    page = provider.fetch(provider.start(LONG_AGO))
    time.sleep(0.2)
    seen = {str(record.raw["id"]) for record in page.records}
    if status in {"401", "403", "500"}:  # each may have another cause and is raised once
        with pytest.raises(IntakeError) as caught:
            provider.fetch(page.cursor)
        assert isinstance(caught.value, Unavailable if status == "500" else AuthFailed)
    rest, _ = walk(provider, page.cursor)
    assert seen | set(rest) == everything(box, account)


def test_a_page_with_a_lost_response_can_be_read_again(box: Sandbox, shop: Callable[..., DropStream]) -> None:
    provider = shop(page_size=50)
    page = provider.fetch(provider.start(LONG_AGO))
    lost = shop(page_size=50).fetch(page.cursor)
    seen, _ = walk(provider, page.cursor)
    assert {str(record.raw["id"]) for record in lost.records} <= set(seen)
    assert {str(record.raw["id"]) for record in page.records} | set(seen) == everything(box)


@pytest.mark.parametrize("kind", ["cut_after", "html_after", "500_after"])
def test_a_lost_response_during_a_pass_loses_no_order(box: Sandbox, shop: Callable[..., DropStream], kind: str) -> None:
    provider = shop(page_size=50)
    page = provider.fetch(provider.start(LONG_AGO))
    box.fault(f"dropstream:list:{kind}:account=main:times=1")
    with pytest.raises(Unavailable):
        provider.fetch(page.cursor)
    seen, _ = walk(provider, page.cursor)
    assert {str(record.raw["id"]) for record in page.records} | set(seen) == everything(box)


def test_a_revoked_token_is_replaced_once_and_the_page_is_read(box: Sandbox, shop: Callable[..., DropStream]) -> None:
    provider = shop(page_size=50)
    page = provider.fetch(provider.start(LONG_AGO))
    since = box.admin("GET", "journal")["next"]
    box.fault("dropstream:list:401:account=main:times=1")
    again = provider.fetch(page.cursor)
    assert [entry["did"] for entry in box.journal(since, kind="request")] == ["nothing", "token", "listed"]
    assert not {str(record.raw["id"]) for record in page.records} & {str(record.raw["id"]) for record in again.records}
    since = box.admin("GET", "journal")["next"]
    box.fault("dropstream:list:401:account=main:times=2")
    with pytest.raises(AuthFailed):
        provider.fetch(page.cursor)
    assert [entry["did"] for entry in box.journal(since, kind="request")] == ["nothing", "token", "nothing"]
    with pytest.raises(AuthFailed):
        shop(password="wrong").check()


def test_an_order_that_appears_after_a_newer_one_is_read_by_the_overlap(
    box: Sandbox, shop: Callable[..., DropStream]
) -> None:
    provider = shop(page_size=1000)
    _, cursor = walk(provider, provider.start(LONG_AGO))
    box.add_orders(1, "dropstream")
    _, cursor = walk(provider, cursor)
    created = datetime.now(UTC) - timedelta(seconds=100)
    late = box.add_order({"created_at": created.isoformat()}, "dropstream")
    assert late in walk(provider, cursor)[0]
    assert late not in walk(shop(overlap=1), cursor)[0]


def test_an_order_that_waits_is_read_again_until_it_moves_on(box: Sandbox, shop: Callable[..., DropStream]) -> None:
    provider = shop("waits", overlap=1, page_size=1000)
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    states = {"pending": "on_hold", "Delayed": "on_hold", "closed": "on_hold", "new": "new"}
    ids = {
        state: box.add_order({"fulfillment_state": state, "created_at": old}, "dropstream", "waits") for state in states
    }
    _, cursor = walk(provider, provider.start(LONG_AGO))
    seen, cursor = walk(provider, cursor)
    assert set(seen) & set(ids.values()) == {ids["pending"], ids["Delayed"]}
    assert walk(provider, cursor)[1] == cursor
    box.change(ids["pending"], "dropstream", "waits", fulfillment_state="open")
    box.change(ids["Delayed"], "dropstream", "waits", deleted=True)
    page = provider.fetch(cursor)
    moved = [record for record in page.records if str(record.raw["id"]) in ids.values()]
    assert [provider.normalize(record).status.value for record in moved] == ["new"]
    seen, _ = walk(provider, page.cursor)
    assert not set(seen) & set(ids.values())


def test_both_forms_of_money_and_quantity_are_read_and_a_single_order_equals_the_listed_one(
    box: Sandbox, shop: Callable[..., DropStream]
) -> None:
    for account, options in (("main", {}), ("numbers", {"assume_quantity": "one", "store_id": 12})):
        provider = shop(account, **options)
        page = provider.fetch(provider.start(LONG_AGO))
        at_source = {str(order["id"]): order for order in box.orders("dropstream", account)}
        orders = [provider.normalize(record) for record in page.records if record.raw["order_items"]]
        assert len(orders) >= 40
        for order in orders:
            items = [item for item in at_source[order.external_id]["order_items"] if not item["canceled"]]
            expected = [(Decimal(str(item["unit_price"])), Decimal(str(item.get("quantity", 1)))) for item in items]
            assert [(line.unit_price, line.quantity) for line in order.lines] == expected
        single = provider.fetch_one(orders[0].external_id)
        assert single is not None
        assert provider.normalize(single) == orders[0]
        assert provider.fetch_one("7") is None
    strict = shop("numbers")
    record = strict.fetch(strict.start(LONG_AGO)).records[0]
    with pytest.raises(Malformed, match=r"order_items\[0\]\.quantity"):
        strict.normalize(record)

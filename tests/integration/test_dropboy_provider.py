"""Dropboy as a provider against the simulator: no order is lost in a list without sorting, total or end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from support.http_server import Request, Server, reply
from support.sandbox import Sandbox
from worker.errors import AuthFailed, Malformed, Misdirected, Rejected, Unavailable
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropboy.provider import Dropboy, DropboyOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.order import Order
    from worker.systems.provider import Record

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "dropboy:big:orders=1200:order=shuffled",
        "dropboy:newest:orders=130:spread=3600:dates=createdAt:errors=absent:info=absent",
        "dropboy:oldest:orders=130:order=oldest:errors=empty",
        "dropboy:capped:orders=130:max_take=7",
        "dropboy:nested:orders=30:rows=nested",
        "dropboy:single:orders=12:max_take=1",
        "dropboy:refusing:orders=130:max_take=30:over_max=refuse",
        "dropboy:random:orders=100:order=random",
        "dropboy:shrinking:orders=130",
        "dropboy:undated:orders=5:dates=absent",
        "dropboy:bare:orders=5:rows=bare",
        "dropboy:ids:orders=5:rows=id",
        "dropboy:long:orders=5:rows=id:ids=32",
        "dropboy:changing:orders=5",
        "dropboy:aged:orders=40:spread=86400",
        "dropboy:deep:orders=60",
        "dropboy:k401:key_status=401",
        "dropboy:k403:key_status=403",
        "dropboy:k200:key_status=200",
    ]
    with Sandbox(accounts=accounts, systems="dropboy") as running:
        yield running


@pytest.fixture
def dropboy(box: Sandbox) -> Iterator[Callable[..., Dropboy]]:
    clients: list[Client] = []

    def make(account: str, url: str | None = None, **options: Any) -> Dropboy:
        settings = {"api_key": Sandbox.KEY, "take": 20, **options}
        clients.append(Client(url or box.url("dropboy", account), gate=Open(), headers={}))
        return Dropboy(account, DropboyOptions.model_validate(settings), clients[-1])

    yield make
    for each in clients:
        each.close()


def records(
    provider: Dropboy, cursor: str, between: Callable[[int], object] = lambda _: None
) -> tuple[list[Record], str]:
    """Return the records of one pass as received, and the next cursor; call `between` after each page."""
    read: list[Record] = []
    for number in range(1000):
        page = provider.fetch(cursor)
        read += page.records
        cursor = page.cursor
        between(number)
        if not page.more:
            return read, cursor
    raise AssertionError("the pass does not end")


def walk(provider: Dropboy, cursor: str, between: Callable[[int], object] = lambda _: None) -> tuple[list[Order], str]:
    read, after = records(provider, cursor, between)
    return [provider.normalize(record) for record in read], after


def keys(orders: list[Order]) -> set[str]:
    return {order.external_id for order in orders}


def ids_at_source(box: Sandbox, account: str) -> set[str]:
    return {order["id"] for order in box.orders("dropboy", account)}


@pytest.mark.parametrize("account", ["newest", "oldest", "capped", "single", "refusing", "nested"])
def test_every_order_is_read_with_every_form_of_paging(
    box: Sandbox, dropboy: Callable[..., Dropboy], account: str
) -> None:
    provider = dropboy(account, currency="EUR", take=100)
    provider.check()
    start = provider.start(LONG_AGO)
    orders, again = walk(provider, start)
    assert keys(orders) == ids_at_source(box, account)
    assert again == start
    assert len(orders) <= 1.25 * len(keys(orders))  # repeated rows add at most 25 %
    by_id = {order["id"]: order for order in box.orders("dropboy", account)}
    for order in orders:
        raw = by_id[order.external_id]
        assert order.source_id == raw.get("orderNumber")
        assert order.display_id == raw["wuxusNumber"]
        assert order.totals.grand is not None
        assert order.totals.grand * 100 == raw["price"]["amount"]
        assert [line.quantity for line in order.lines] == [Decimal(str(cargo["amount"])) for cargo in raw["cargo"]]
        assert order.shipping_address.city == raw["destination"]["city"]


def test_more_than_a_thousand_orders_are_all_read_while_new_ones_arrive_and_pages_are_shuffled(
    box: Sandbox, dropboy: Callable[..., Dropboy]
) -> None:
    provider = dropboy("big", take=80)
    before = ids_at_source(box, "big")
    inserted: list[str] = []

    def add_orders(page: int) -> None:
        if page < 10:
            inserted.extend(box.add_orders(12, "dropboy", "big"))

    seen, cursor = walk(provider, provider.start(LONG_AGO), add_orders)
    assert len(before) == 1200
    assert before <= keys(seen)
    assert len(inserted) == 120
    more, again = walk(provider, cursor)
    assert keys(more) == before | set(inserted) == ids_at_source(box, "big")
    assert again == cursor


def test_orders_deleted_from_the_front_during_a_pass_hide_no_other_order(
    box: Sandbox, dropboy: Callable[..., Dropboy]
) -> None:
    provider = dropboy("shrinking", take=40)  # pages overlap by four rows
    newest = [order["id"] for order in reversed(box.orders("dropboy", "shrinking"))]

    def delete_newest(page: int) -> None:
        for external_id in newest[4 * page : 4 * page + 4] if page < 2 else ():
            box.change(external_id, "dropboy", "shrinking", deleted=True)

    seen, _ = walk(provider, provider.start(LONG_AGO), delete_newest)
    assert set(newest) == keys(seen)
    assert len(ids_at_source(box, "shrinking")) == 122


def test_a_list_that_is_reordered_at_every_call_is_read_completely_after_several_passes(
    box: Sandbox, dropboy: Callable[..., Dropboy]
) -> None:
    """Repeat the pass: one pass may miss orders, but it never skips an order that the list shows."""
    provider = dropboy("random")
    cursor, seen, passes = provider.start(LONG_AGO), set[str](), 0
    while seen != ids_at_source(box, "random"):
        orders, cursor = walk(provider, cursor)
        seen |= keys(orders)
        passes += 1
        assert passes < 40
    assert passes > 1


def test_a_pass_stops_at_the_depth_and_every_nth_pass_reads_the_whole_list(
    box: Sandbox, dropboy: Callable[..., Dropboy]
) -> None:
    provider = dropboy("deep", depth=15, full_every=3)
    everything, cursor, read = ids_at_source(box, "deep"), provider.start(LONG_AGO), []
    for _ in range(6):
        orders, cursor = walk(provider, cursor)
        read.append(keys(orders))
    assert [len(seen) for seen in read] == [60, 20, 20, 60, 20, 20]
    assert read[0] == read[3] == everything
    assert read[1] == read[2] == {order["id"] for order in list(reversed(box.orders("dropboy", "deep")))[:20]}
    assert cursor == provider.start(LONG_AGO)


def test_orders_older_than_the_start_are_left_out(box: Sandbox, dropboy: Callable[..., Dropboy]) -> None:
    since = datetime.now(UTC) - timedelta(hours=6)
    orders, _ = walk(provider := dropboy("aged"), dropboy("aged").start(since))
    recent = {
        order["id"] for order in box.orders("dropboy", "aged") if datetime.fromisoformat(order["created"]) > since
    }
    assert keys(orders) == recent
    assert 0 < len(recent) < 40
    assert len(walk(provider, provider.start(LONG_AGO))[0]) >= 40


def test_an_order_is_found_by_its_id_by_walking_the_list(box: Sandbox, dropboy: Callable[..., Dropboy]) -> None:
    provider = dropboy("capped")
    oldest = box.orders("dropboy", "capped")[0]["id"]
    record = provider.fetch_one(oldest)
    assert record is not None
    assert provider.normalize(record).external_id == oldest
    assert provider.fetch_one("5acf36d1a2261f5d4edb91b3") is None


def test_a_change_is_read_by_the_next_pass(box: Sandbox, dropboy: Callable[..., Dropboy]) -> None:
    provider = dropboy("changing", status_map={"delivered": "delivered"})
    first, cursor = walk(provider, provider.start(LONG_AGO))
    box.change(first[2].external_id, "dropboy", "changing", status="delivered")
    again = {order.external_id: order for order in walk(provider, cursor)[0]}
    assert again[first[2].external_id].status == "delivered"
    assert [order for order in first if again[order.external_id] != order] == [first[2]]


@pytest.mark.parametrize(
    ("account", "field"),
    [("undated", "createdAt"), ("bare", "destination"), ("ids", "destination"), ("long", "destination")],
)
def test_an_incomplete_row_is_malformed_with_its_field_or_accepted_if_configured(
    box: Sandbox, dropboy: Callable[..., Dropboy], account: str, field: str
) -> None:
    strict, lenient = dropboy(account), dropboy(account, bare="accept")
    read, _ = records(strict, strict.start(LONG_AGO))
    assert len({record.raw["id"] for record in read}) == 5
    for record in read:
        with pytest.raises(Malformed) as caught:
            strict.normalize(record)
        assert caught.value.field == field
        if account != "long":
            order = lenient.normalize(record)
            created = next(row["created"] for row in box.orders("dropboy", account) if row["id"] == order.external_id)
            assert abs(order.ordered_at - datetime.fromisoformat(created)) < timedelta(seconds=1)
        else:  # such an id contains no date
            with pytest.raises(Malformed, match="createdAt"):
                lenient.normalize(record)


@pytest.mark.parametrize("account", ["k401", "k403", "k200"])
def test_a_wrong_key_is_recognised_by_its_message_at_every_status(
    dropboy: Callable[..., Dropboy], account: str
) -> None:
    provider = dropboy(account, api_key="wrong")
    for call in (provider.check, lambda: provider.fetch(provider.start(LONG_AGO)), lambda: provider.fetch_one("1")):
        with pytest.raises(AuthFailed):
            call()
    dropboy(account).check()


def test_a_missing_account_is_reported_as_a_wrong_url(dropboy: Callable[..., Dropboy]) -> None:
    with pytest.raises(Misdirected, match="url is probably wrong"):
        dropboy("nobody").check()


def test_a_page_repeated_by_inserted_rows_is_not_taken_for_the_end() -> None:
    """Insert exactly as many rows as one step skips: the same page appears again before the end of the list."""
    rows = [{"id": f"{number:024x}"} for number in range(60)]

    def answer(request: Request) -> bytes:
        skip = int(request.target.rpartition("=")[2])
        page = rows[skip : skip + 20]
        if skip in {0, 18}:
            rows[:0] = [{"id": f"f{skip}{number:021x}"} for number in range(18)]
        return reply(body=json.dumps({"success": True, "result": page}).encode())

    server = Server(answer)
    client = Client(server.url, gate=Open(), headers={})
    provider = Dropboy("dropboy", DropboyOptions.model_validate({"api_key": "k", "take": 20}), client)
    try:
        seen = {record.raw["id"] for record in records(provider, provider.start(LONG_AGO))[0]}
    finally:
        client.close()
        server.close()
    assert {f"{number:024x}" for number in range(60)} <= seen


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"success": True, "errors": None, "result": None}, Unavailable),
        (200, {"success": True, "result": {"id": "1"}}, Unavailable),
        (200, {"result": []}, Unavailable),
        (200, {"success": "true", "result": []}, Unavailable),
        (200, {"success": False, "errors": None, "error": "Invalid API key"}, AuthFailed),
        (200, {"success": False, "errors": ["Missing API key"]}, AuthFailed),
        (200, {"success": False}, Unavailable),
        (400, {"success": True, "result": []}, Unavailable),
        (400, {"success": False, "errors": ["Invalid API key"]}, AuthFailed),
        (401, {"success": False, "errors": ["User does not have permission"]}, AuthFailed),
        (405, {"success": False}, Misdirected),
        (415, {"success": False}, Rejected),
    ],
)
def test_a_response_without_a_list_is_an_error_and_not_an_empty_list(
    status: int, body: dict[str, Any], error: type[Exception]
) -> None:
    server = Server(lambda _: reply(status, json.dumps(body).encode()))
    client = Client(server.url, gate=Open(), headers={})
    provider = Dropboy("dropboy", DropboyOptions.model_validate({"api_key": "k"}), client)
    try:
        for call in (lambda: provider.fetch(provider.start(LONG_AGO)), lambda: provider.fetch_one("1"), provider.check):
            with pytest.raises(error):
                call()
        assert {request.headers["apikey"] for request in server.requests} == {"k"}
    finally:
        client.close()
        server.close()

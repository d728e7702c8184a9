"""The OrderCloud provider against the simulator: every order is read, even from a list that lags."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.http_calls import RecordingGate
from support.http_server import Request, reply
from support.sandbox import Sandbox
from worker.errors import AuthFailed, IntakeError, Misdirected, RateLimited, Rejected, TargetDown, Unavailable
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.ordercloud import walk
from worker.systems.ordercloud.provider import OrderCloud, OrderCloudOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.http_calls import Make, Serve

    Shop = Callable[..., OrderCloud]

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "ordercloud:many:orders=1000:spread=86400:list_lag=0.1-0.8",
        "ordercloud:main:orders=120:spread=3600",
        "ordercloud:late:orders=3:spread=86400:list_lag=2.5",
        "ordercloud:later:list_lag=0.5",
        "ordercloud:busy:list_lag=0.05-0.9",
        "ordercloud:ties:digits=0",
        "ordercloud:moving:digits=0",
        *(f"ordercloud:capped{on}:orders=300:spread=8640000:cap=60:cap_on={on}" for on in ("count", "page")),
        "ordercloud:few:orders=60:spread=3600:token_uses=7",
        "ordercloud:short:orders=40:spread=3600:token_life=1:refresh_life=60",
        "ordercloud:revoked:orders=60:spread=3600:refresh_life=60:oauth_refusal=401",
        *(f"ordercloud:ended{status}:token_life=1:refresh_life=1:oauth_refusal={status}" for status in (400, 401)),
        "ordercloud:burst:orders=300:spread=3600:cap=60",
        "ordercloud:classic:search=classic:orders=30:spread=3600:carts=3",
        "ordercloud:shopper:roles=Shopper",
        "ordercloud:faults:orders=40:spread=3600",
        "ordercloud:gone:orders=20:spread=3600:list_lag=1",
        "ordercloud:long",
    ]
    with Sandbox(systems="ordercloud", accounts=accounts) as running:
        yield running


@pytest.fixture
def shop(box: Sandbox) -> Iterator[Shop]:
    """Yield a function that makes adapters for an account."""
    clients: list[Client] = []

    def make(account: str = "main", **options: Any) -> OrderCloud:
        clients.append(Client(box.url("ordercloud", account), gate=Open(), headers={}))
        credentials = {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY, **options}
        return OrderCloud(account, OrderCloudOptions.model_validate(credentials), clients[-1])

    yield make
    box.clear_faults()
    for client in clients:
        client.close()


class Reader:
    """A reader that walks through an account pass by pass and keeps the last version of every order."""

    def __init__(self, provider: OrderCloud) -> None:
        self.provider, self.cursor = provider, provider.start(LONG_AGO)
        self.received: list[str] = []
        self.last: dict[str, str] = {}

    def page(self) -> bool:
        page = self.provider.fetch(self.cursor)
        for record in page.records:
            self.received.append(record.raw["ID"])
            self.last[record.raw["ID"]] = record.raw["LastUpdated"]
        self.cursor = page.cursor
        return page.more

    def walk(self, after: Callable[[int], object] = lambda _: None) -> None:
        for number in range(1000):
            if not self.page():
                return
            after(number)
        raise AssertionError("the pass did not end")


def submitted_orders(box: Sandbox, account: str) -> dict[str, str]:
    orders = box.orders("ordercloud", account)
    return {order["ID"]: order["LastUpdated"] for order in orders if order["IsSubmitted"]}


def outcomes(box: Sandbox, since: int, account: str) -> list[str]:
    return [entry["did"] for entry in box.journal(since, kind="request", account=account)]


def journal_end(box: Sandbox) -> int:
    return int(box.admin("GET", "journal")["next"])


def test_every_order_is_read_although_the_list_lags_and_orders_are_added_and_changed(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("many", page_size=100, overlap=10))
    old = list(submitted_orders(box, "many"))

    def disturb(number: int) -> None:
        box.add_orders(3, "ordercloud", "many")
        box.change(old[number * 7 % len(old)], "ordercloud", "many", Comments=f"note {number}")

    reader.walk(disturb)
    time.sleep(1)
    reader.walk()
    expected = submitted_orders(box, "many")
    assert len(expected) > 1000
    assert reader.last == expected
    assert len(reader.received) < 1.2 * len(expected), "orders read shortly before are not read again"


def test_the_end_of_a_busy_list_is_read_without_missing_late_orders(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("busy", page_size=3, overlap=3))
    for _ in range(40):
        box.add_orders(4, "ordercloud", "busy")
        reader.page()
    time.sleep(1)
    reader.walk()
    reader.walk()
    assert reader.last == submitted_orders(box, "busy")


def test_an_order_listed_after_a_newer_one_is_read_within_the_overlap(box: Sandbox, shop: Shop) -> None:
    readers = [Reader(shop("late", overlap=overlap)) for overlap in (300, 1)]
    [late] = box.add_orders(1, "ordercloud", "late")
    time.sleep(1.1)
    moment = datetime.now(UTC).isoformat()
    box.add_order({"LastUpdated": moment}, "ordercloud", "late")  # listed at once
    for reader in readers:
        reader.walk()
        assert late not in reader.last
    time.sleep(2)
    for reader in readers:
        reader.walk()
    assert [late in reader.last for reader in readers] == [True, False]


def test_an_order_listed_late_during_a_long_pass_is_read(box: Sandbox, shop: Shop) -> None:
    def list_order(seconds: float) -> None:
        moment = (began + timedelta(seconds=seconds)).isoformat()
        box.add_order({"LastUpdated": moment}, "ordercloud", "later")

    reader, began = Reader(shop("later", page_size=2, overlap=2)), datetime.now(UTC)
    [late] = box.add_orders(1, "ordercloud", "later")
    for seconds in (0.9, 1.0, 1.1):
        list_order(seconds)
    assert reader.page()
    time.sleep(0.6)
    for seconds in (10, 20, 30):
        list_order(seconds)
    assert late not in reader.last
    # Beside orders of the future a pass ends at the clock of its beginning; the next begins the overlap before that.
    reader.walk()
    reader.walk()
    assert late in reader.last


def test_all_orders_of_one_moment_are_read_when_they_exceed_a_page(box: Sandbox, shop: Shop) -> None:
    for n in range(2):
        moment = f"2026-01-0{n + 1}T10:00:00+00:00"
        for _ in range(35):
            box.add_order({"LastUpdated": moment}, "ordercloud", "ties")
    reader = Reader(shop("ties", page_size=10))
    reader.cursor = reader.provider.start(datetime(2026, 1, 1, tzinfo=UTC))
    reader.walk()
    assert sorted(reader.received) == sorted(submitted_orders(box, "ties"))


def test_an_order_that_changes_during_a_pass_hides_no_other_order_of_its_moment(box: Sandbox, shop: Shop) -> None:
    for n in range(35):
        box.add_order({"ID": f"M-{n:02}", "LastUpdated": "2026-01-01T10:00:00+00:00"}, "ordercloud", "moving")
    box.add_order({"LastUpdated": "2026-01-02T10:00:00+00:00"}, "ordercloud", "moving")  # more than the overlap later
    reader = Reader(shop("moving", page_size=10))
    reader.cursor = reader.provider.start(datetime(2026, 1, 1, tzinfo=UTC))

    def disturb(number: int) -> None:
        if number in {2, 3}:
            box.change(f"M-{number:02}", "ordercloud", "moving", Comments="changed")

    reader.walk(disturb)
    assert reader.last == submitted_orders(box, "moving")


@pytest.mark.parametrize("account", ["cappedcount", "cappedpage"])
def test_a_list_over_the_search_cap_is_read_in_parts(box: Sandbox, shop: Shop, account: str) -> None:
    reader = Reader(shop(account))
    reader.cursor = reader.provider.start(datetime.now(UTC) - timedelta(days=101))
    since = journal_end(box)
    reader.walk()
    assert reader.last == submitted_orders(box, account)
    assert len(reader.received) == 300
    assert outcomes(box, since, account).count("refused") < 100


def test_a_time_range_with_nothing_left_to_read_does_not_end_the_pass(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("burst"))
    reader.walk()
    assert reader.last == submitted_orders(box, "burst")


def test_a_quiet_poll_is_one_call_and_keeps_the_cursor(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop(page_size=100))
    reader.walk()
    assert sorted(reader.received) == sorted(submitted_orders(box, "main"))
    since, cursor = journal_end(box), reader.cursor
    reader.walk()
    assert (outcomes(box, since, "main"), reader.cursor) == (["listed"], cursor)


def test_the_cursor_remembers_a_bounded_number_of_orders(
    box: Sandbox, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "REMEMBERED", 500)
    reader = Reader(shop("many", page_size=100))
    reader.walk()
    assert len(json.loads(reader.cursor)["seen"]) == 500
    assert len(reader.cursor) < 20 * 500


@pytest.mark.parametrize(("account", "most"), [("few", 12), ("short", 4)])
def test_tokens_that_expire_during_a_pass_are_replaced_without_loss_or_a_storm_of_calls(
    box: Sandbox, shop: Shop, account: str, most: int
) -> None:
    reader, since = Reader(shop(account)), journal_end(box)
    reader.walk(lambda _: time.sleep(0.6 if account == "short" else 0))
    assert reader.last == submitted_orders(box, account)
    counts = Counter(outcomes(box, since, account))
    assert counts["unauthorized"] + 1 == counts["token"] <= most


@pytest.mark.parametrize("status", [400, 401])
def test_the_credentials_replace_a_refused_refresh_token(box: Sandbox, shop: Shop, status: int) -> None:
    provider = shop(f"ended{status}")
    provider.check()
    time.sleep(1.2)
    since = journal_end(box)
    provider.check()
    refused = "unauthorized" if status == 401 else "refused"
    assert outcomes(box, since, f"ended{status}") == ["unauthorized", refused, "token", "listed"]


def test_a_revoked_token_is_replaced_once(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("revoked"))
    assert reader.page()
    since = journal_end(box)
    box.fault("ordercloud:worksheet:401:account=revoked:times=1:skip=5")
    reader.walk()
    assert reader.last == submitted_orders(box, "revoked")
    counts = Counter(outcomes(box, since, "revoked"))
    assert counts["token"] == 1
    assert counts["nothing"] + counts["unauthorized"] <= 2
    since = journal_end(box)
    box.fault("ordercloud:list:401:account=revoked:times=9")
    with pytest.raises(AuthFailed):
        reader.page()
    assert len(outcomes(box, since, "revoked")) <= 4, "a refused key causes no storm of calls"


def test_wrong_credentials_and_roles_raise_auth_failed(box: Sandbox, shop: Shop) -> None:
    shop().check()
    for wrong in (shop(client_secret="wrong"), shop("revoked", client_secret="wrong"), shop("shopper")):
        for call in (wrong.check, lambda provider=wrong: provider.fetch_one("1"), Reader(wrong).page):
            with pytest.raises(AuthFailed):
                call()
    with pytest.raises(Misdirected):
        shop("nobody").check()


@pytest.mark.parametrize("code", ["Api.Offline", "Order.CacheBuilding"])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 500, 503])
def test_an_offline_error_code_raises_target_down_with_any_status(
    box: Sandbox, shop: Shop, code: str, status: int
) -> None:
    for operation in ("token", "list", "worksheet"):
        box.fault(f"ordercloud:{operation}:{status}:code={code}:account=faults:times=1")
        reader = Reader(shop("faults"))
        with pytest.raises(TargetDown):
            reader.page()
        reader.walk()
        assert reader.last == submitted_orders(box, "faults")


@pytest.mark.parametrize(
    ("kind", "error"),
    [("429", RateLimited), ("500", Unavailable), ("cut_after", Unavailable), ("html_after", Unavailable)],
)
def test_a_failure_within_a_page_loses_no_order(box: Sandbox, shop: Shop, kind: str, error: type[IntakeError]) -> None:
    reader = Reader(shop("faults"))
    box.fault(f"ordercloud:worksheet:{kind}:account=faults:times=1:skip=11")
    cursor = reader.cursor
    with pytest.raises(error):
        reader.page()
    assert reader.cursor == cursor
    reader.walk()
    assert reader.last == submitted_orders(box, "faults")


def test_unsubmitted_carts_are_left_out(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("classic"))
    reader.walk()
    orders = box.orders("ordercloud", "classic")
    carts = [order["ID"] for order in orders if not order["IsSubmitted"]]
    assert len(carts) == 10
    assert reader.last == submitted_orders(box, "classic")
    assert reader.provider.fetch_one(carts[0]) is None


def test_a_deleted_order_that_is_still_listed_is_left_out(box: Sandbox, shop: Shop) -> None:
    gone = next(iter(submitted_orders(box, "gone")))
    box.change(gone, "ordercloud", "gone", deleted=True)
    reader = Reader(shop("gone"))
    reader.walk()
    assert reader.last == submitted_orders(box, "gone")
    assert reader.provider.fetch_one(gone) is None


def test_all_lines_are_read_and_the_order_adds_up_with_either_source_of_lines(box: Sandbox, shop: Shop) -> None:
    lines = [{"ProductID": f"SKU-{n}", "Quantity": 2, "UnitPrice": 1.25} for n in range(230)]
    long = box.add_order({"LineItems": lines, "ShippingCost": 4.95, "TaxCost": 1.5}, "ordercloud", "long")
    by_list, by_sheet = shop("long", lines="lineitems"), shop("long")
    for provider in (by_list, by_sheet):
        record = provider.fetch_one(long)
        assert record is not None
        order = provider.normalize(record)
        assert (len({line.id for line in order.lines}), order.adds_up) == (230, True)
    for account in ("main", "faults"):
        provider = shop(account, page_size=100)
        page = provider.fetch(provider.start(LONG_AGO))
        for record in page.records:
            order = provider.normalize(record)
            assert order.adds_up
            assert len(order.lines) == record.raw["LineItemCount"]
            again = provider.fetch_one(order.external_id)
            assert again is not None
            assert provider.normalize(again) == order


def test_tokens_are_requested_from_the_configured_url_through_the_same_gate(serve: Serve, make: Make) -> None:
    def api(request: Request) -> bytes:
        assert request.headers["authorization"] == "Bearer t-1"
        return reply(body=b'\xef\xbb\xbf{"Meta": {}, "Items": []}')

    auth_server = serve(lambda _: reply(body=b'{"access_token": "t-1"}'))
    api_server, gate = serve(api), RecordingGate()
    client = make(api_server.url, gate=gate)
    options = {"client_id": "c", "client_secret": "s", "auth_url": auth_server.url}
    provider = OrderCloud("shop", OrderCloudOptions.model_validate(options), client)
    provider.check()
    provider.check()
    assert [request.target for request in auth_server.requests] == ["/oauth/token"]
    assert (len(api_server.requests), gate.entered) == (2, 3)


def test_a_list_that_stays_too_large_in_every_part_raises_rejected(serve: Serve, make: Make) -> None:
    def api(request: Request) -> bytes:
        if request.method == "POST":
            return reply(body=b'{"access_token": "t-1"}')
        return reply(422, b'{"Errors": [{"ErrorCode": "Search.ResultSetTooLarge", "Data": {}}]}')

    server = serve(api)
    options = OrderCloudOptions.model_validate({"client_id": "c", "client_secret": "s"})
    provider = OrderCloud("shop", options, make(server.url))
    with pytest.raises(Rejected, match="ResultSetTooLarge"):
        provider.fetch(provider.start(LONG_AGO))
    assert len(server.requests) < 25

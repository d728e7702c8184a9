"""OrderCloud's adapter against the simulated OrderCloud: every order is read, however late the list is."""

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
from worker.errors import AuthFailed, IntakeError, RateLimited, Rejected, TargetDown, Unavailable
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.ordercloud.provider import OrderCloud, OrderCloudOptions
from worker.systems.ordercloud.walk import REMEMBERED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.http_calls import Make, Serve

    Shop = Callable[..., OrderCloud]

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "ordercloud:many:orders=3000:spread=86400:list_lag=0.1-0.8",
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
    made: list[Client] = []

    def make(account: str = "main", **options: Any) -> OrderCloud:
        made.append(Client(box.url("ordercloud", account), gate=Open(), headers={}))
        given = {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY, **options}
        return OrderCloud(account, OrderCloudOptions.model_validate(given), made[-1])

    yield make
    box.clear_faults()
    for each in made:
        each.close()


class Reader:
    """Reads an account pass by pass, and knows the last version of every order that it was given."""

    def __init__(self, provider: OrderCloud) -> None:
        self.provider, self.cursor = provider, provider.start(LONG_AGO)
        self.given: list[str] = []
        self.last: dict[str, str] = {}

    def page(self) -> bool:
        page = self.provider.fetch(self.cursor)
        for record in page.records:
            self.given.append(record.raw["ID"])
            self.last[record.raw["ID"]] = record.raw["LastUpdated"]
        self.cursor = page.cursor
        return page.more

    def walk(self, after: Callable[[int], object] = lambda _: None) -> None:
        for number in range(1000):
            if not self.page():
                return
            after(number)
        raise AssertionError("a pass that does not end")


def there(box: Sandbox, account: str) -> dict[str, str]:
    orders = box.orders("ordercloud", account)
    return {order["ID"]: order["LastUpdated"] for order in orders if order["IsSubmitted"]}


def did(box: Sandbox, since: int, account: str) -> list[str]:
    return [entry["did"] for entry in box.journal(since, kind="request", account=account)]


def now_in(box: Sandbox) -> int:
    return int(box.admin("GET", "journal")["next"])


def test_every_order_is_read_though_the_list_is_late_and_orders_come_and_change(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("many", page_size=100, overlap=10))
    old = list(there(box, "many"))

    def disturb(number: int) -> None:
        box.add_orders(3, "ordercloud", "many")
        box.change(old[number * 7 % len(old)], "ordercloud", "many", Comments=f"note {number}")

    reader.walk(disturb)
    time.sleep(1)
    reader.walk()
    wanted = there(box, "many")
    assert len(wanted) > 3000
    assert reader.last == wanted
    assert len(reader.given) < 1.2 * len(wanted), "what was returned of late is not read again"


def test_at_the_head_of_a_busy_list_nothing_that_comes_late_is_passed(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("busy", page_size=3, overlap=3))
    for _ in range(40):
        box.add_orders(4, "ordercloud", "busy")
        reader.page()
    time.sleep(1)
    reader.walk()
    reader.walk()
    assert reader.last == there(box, "busy")


def test_an_order_that_comes_to_the_list_after_a_younger_one_is_read_by_the_overlap(box: Sandbox, shop: Shop) -> None:
    both = [Reader(shop("late", overlap=overlap)) for overlap in (300, 1)]
    [late] = box.add_orders(1, "ordercloud", "late")
    time.sleep(1.1)
    told = datetime.now(UTC).isoformat()
    box.add_order({"LastUpdated": told}, "ordercloud", "late")  # is in the list at once
    for reader in both:
        reader.walk()
        assert late not in reader.last
    time.sleep(2)
    for reader in both:
        reader.walk()
    assert [late in reader.last for reader in both] == [True, False]


def test_an_order_that_comes_late_while_a_long_pass_goes_by_is_read_by_the_next(box: Sandbox, shop: Shop) -> None:
    def listed(seconds: float) -> None:
        told = (began + timedelta(seconds=seconds)).isoformat()
        box.add_order({"LastUpdated": told}, "ordercloud", "later")

    reader, began = Reader(shop("later", page_size=2, overlap=2)), datetime.now(UTC)
    [late] = box.add_orders(1, "ordercloud", "later")
    for seconds in (0.9, 1.0, 1.1):
        listed(seconds)
    assert reader.page()
    time.sleep(0.6)
    for seconds in (10, 20, 30):
        listed(seconds)
    assert late not in reader.last
    reader.walk()
    assert late in reader.last


def test_more_orders_of_one_moment_than_a_page_are_all_read(box: Sandbox, shop: Shop) -> None:
    for n in range(2):
        told = f"2026-01-0{n + 1}T10:00:00+00:00"
        for _ in range(35):
            box.add_order({"LastUpdated": told}, "ordercloud", "ties")
    reader = Reader(shop("ties", page_size=10))
    reader.cursor = reader.provider.start(datetime(2026, 1, 1, tzinfo=UTC))
    reader.walk()
    assert sorted(reader.given) == sorted(there(box, "ties"))


def test_an_order_that_leaves_such_a_moment_makes_no_other_slip_through(box: Sandbox, shop: Shop) -> None:
    for n in range(35):
        box.add_order({"ID": f"M-{n:02}", "LastUpdated": "2026-01-01T10:00:00+00:00"}, "ordercloud", "moving")
    box.add_order({"LastUpdated": "2026-01-02T10:00:00+00:00"}, "ordercloud", "moving")  # the overlap will not help
    reader = Reader(shop("moving", page_size=10))
    reader.cursor = reader.provider.start(datetime(2026, 1, 1, tzinfo=UTC))

    def disturb(number: int) -> None:
        if number in {2, 3}:
            box.change(f"M-{number:02}", "ordercloud", "moving", Comments="changed")

    reader.walk(disturb)
    assert reader.last == there(box, "moving")


@pytest.mark.parametrize("account", ["cappedcount", "cappedpage"])
def test_more_orders_than_they_find_at_once_are_read_in_parts(box: Sandbox, shop: Shop, account: str) -> None:
    reader = Reader(shop(account))
    reader.cursor = reader.provider.start(datetime.now(UTC) - timedelta(days=101))
    since = now_in(box)
    reader.walk()
    assert reader.last == there(box, account)
    assert len(reader.given) == 300
    assert did(box, since, account).count("refused") < 100


def test_a_time_of_which_nothing_is_to_be_read_does_not_end_the_reading(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("burst"))
    reader.walk()
    assert reader.last == there(box, "burst")


def test_a_quiet_poll_is_one_call_and_keeps_the_cursor(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop(page_size=100))
    reader.walk()
    assert sorted(reader.given) == sorted(there(box, "main"))
    since, cursor = now_in(box), reader.cursor
    reader.walk()
    assert (did(box, since, "main"), reader.cursor) == (["listed"], cursor)


def test_the_cursor_remembers_no_more_than_it_should(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("many", page_size=100))
    reader.walk()
    assert len(json.loads(reader.cursor)["seen"]) == REMEMBERED
    assert len(reader.cursor) < 20 * REMEMBERED


@pytest.mark.parametrize(("account", "most"), [("few", 12), ("short", 4)])
def test_tokens_that_end_in_the_middle_are_replaced_without_loss_or_storm(
    box: Sandbox, shop: Shop, account: str, most: int
) -> None:
    reader, since = Reader(shop(account)), now_in(box)
    reader.walk(lambda _: time.sleep(0.6 if account == "short" else 0))
    assert reader.last == there(box, account)
    answers = Counter(did(box, since, account))
    assert answers["unauthorized"] + 1 == answers["token"] <= most


@pytest.mark.parametrize("status", [400, 401])
def test_a_refresh_token_that_is_refused_is_left_for_the_credentials(box: Sandbox, shop: Shop, status: int) -> None:
    provider = shop(f"ended{status}")
    provider.check()
    time.sleep(1.2)
    since = now_in(box)
    provider.check()
    refused = "unauthorized" if status == 401 else "refused"
    assert did(box, since, f"ended{status}") == ["unauthorized", refused, "token", "listed"]


def test_a_revoked_token_is_replaced_once(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("revoked"))
    assert reader.page()
    since = now_in(box)
    box.fault("ordercloud:worksheet:401:account=revoked:times=1:skip=5")
    reader.walk()
    assert reader.last == there(box, "revoked")
    answers = Counter(did(box, since, "revoked"))
    assert answers["token"] == 1
    assert answers["nothing"] + answers["unauthorized"] <= 2
    since = now_in(box)
    box.fault("ordercloud:list:401:account=revoked:times=9")
    with pytest.raises(AuthFailed):
        reader.page()
    assert len(did(box, since, "revoked")) <= 4, "a key that does not work makes no storm"


def test_credentials_and_roles_that_are_wrong_are_a_person_s_to_mend(box: Sandbox, shop: Shop) -> None:
    shop().check()
    for wrong in (shop(client_secret="wrong"), shop("revoked", client_secret="wrong"), shop("shopper"), shop("nobody")):
        for call in (wrong.check, lambda it=wrong: it.fetch_one("1"), Reader(wrong).page):
            with pytest.raises(AuthFailed):
                call()


@pytest.mark.parametrize("code", ["Api.Offline", "Order.CacheBuilding"])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 500, 503])
def test_whichever_status_says_that_they_are_away_it_is_waited_for(
    box: Sandbox, shop: Shop, code: str, status: int
) -> None:
    for operation in ("token", "list", "worksheet"):
        box.fault(f"ordercloud:{operation}:{status}:code={code}:account=faults:times=1")
        reader = Reader(shop("faults"))
        with pytest.raises(TargetDown):
            reader.page()
        reader.walk()
        assert reader.last == there(box, "faults")


@pytest.mark.parametrize(
    ("kind", "error"),
    [("429", RateLimited), ("500", Unavailable), ("cut_after", Unavailable), ("html_after", Unavailable)],
)
def test_what_goes_wrong_in_the_middle_of_a_page_loses_no_order(
    box: Sandbox, shop: Shop, kind: str, error: type[IntakeError]
) -> None:
    reader = Reader(shop("faults"))
    box.fault(f"ordercloud:worksheet:{kind}:account=faults:times=1:skip=11")
    cursor = reader.cursor
    with pytest.raises(error):
        reader.page()
    assert reader.cursor == cursor
    reader.walk()
    assert reader.last == there(box, "faults")


def test_what_nobody_has_ordered_is_left_out(box: Sandbox, shop: Shop) -> None:
    reader = Reader(shop("classic"))
    reader.walk()
    orders = box.orders("ordercloud", "classic")
    carts = [order["ID"] for order in orders if not order["IsSubmitted"]]
    assert len(carts) == 10
    assert reader.last == there(box, "classic")
    assert reader.provider.fetch_one(carts[0]) is None


def test_an_order_that_is_deleted_but_still_in_the_list_is_left_out(box: Sandbox, shop: Shop) -> None:
    gone = next(iter(there(box, "gone")))
    box.change(gone, "ordercloud", "gone", deleted=True)
    reader = Reader(shop("gone"))
    reader.walk()
    assert reader.last == there(box, "gone")
    assert reader.provider.fetch_one(gone) is None


def test_all_lines_are_read_and_the_order_adds_up_in_either_way(box: Sandbox, shop: Shop) -> None:
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
            found = provider.fetch_one(order.external_id)
            assert found is not None
            assert provider.normalize(found) == order


def test_tokens_are_asked_for_where_the_account_says_and_pass_the_same_gate(serve: Serve, make: Make) -> None:
    def api(request: Request) -> bytes:
        assert request.headers["authorization"] == "Bearer t-1"
        return reply(body=b'\xef\xbb\xbf{"Meta": {}, "Items": []}')

    door = serve(lambda _: reply(body=b'{"access_token": "t-1"}'))
    orders, clerk = serve(api), RecordingGate()
    client = make(orders.url, gate=clerk)
    given = {"client_id": "c", "client_secret": "s", "auth_url": door.url}
    provider = OrderCloud("shop", OrderCloudOptions.model_validate(given), client)
    provider.check()
    provider.check()
    assert [request.target for request in door.requests] == ["/oauth/token"]
    assert (len(orders.requests), clerk.entered) == (2, 3)


def test_a_list_of_which_no_part_is_small_enough_is_said_loudly(serve: Serve, make: Make) -> None:
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

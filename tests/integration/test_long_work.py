"""Work that takes longer than a task has time is done in steps: here each call takes four seconds of a clock."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

import tasks.accept
import tasks.deliver
import tasks.doubt
import tasks.fetch
import tasks.poll
from schemas.dropboy import id_of
from support.fake_runtime import FakeRuntime, Shop, Warehouse
from support.gates import Slow
from support.http_server import Request, reply
from support.ordercloud_target import OPTIONS, REFERENCES, assert_same_order, cloud_order, stored_order, submitted
from support.sandbox import Sandbox
from support.steps import settle
from tasks.overtime import LONGEST
from worker.app import RECONCILE_LIMIT, _end_limit_of_calls, _limit_calls, configuration
from worker.app.background import Background
from worker.errors import OutOfTime, StoreFull, Unavailable
from worker.http.client import Client
from worker.http.task_time import check_time, time_for_calls
from worker.settings.clocks import Clocks
from worker.settings.routes import Route
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Claim, Drain, Outcome
from worker.systems.dropboy.provider import Dropboy as DropboyShop
from worker.systems.dropboy.provider import DropboyOptions as DropboyShopOptions
from worker.systems.dropboy.target import Dropboy, DropboyOptions
from worker.systems.dropday.target import Dropday, DropdayOptions
from worker.systems.halving import Reading
from worker.systems.ordercloud.provider import OrderCloud as OrderCloudShop
from worker.systems.ordercloud.provider import OrderCloudOptions as OrderCloudShopOptions
from worker.systems.ordercloud.target import OrderCloud, OrderCloudOptions
from worker.systems.provider import Page, Record
from worker.systems.steps import Counted, Steps, continued, current_place, note_place
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

    from schemas.order import Order
    from support.http_calls import Serve
    from support.settings_texts import Configured

#: Seconds that a task has for its calls: six of them begin.
TIME = 21.0
#: More tasks than any work of these tests needs.
MANY = 40
ORIGIN = {"address": "Dock Rd 1", "zip_code": "8000", "city": "Aarhus"}
LINES = 30


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "dropboy:main:processing=0:orders=240:order=oldest",
        "ordercloud:shop:orders=40:spread=3600",
        *(f"ordercloud:{name}:currency=EUR:products=mug+tea+pot" for name in ("main", "other")),
    ]
    with Sandbox(accounts=accounts, systems="dropboy,ordercloud") as running:
        yield running


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Slow:
    gate = Slow()
    monkeypatch.setattr("worker.http.task_time.monotonic", lambda: gate.now)
    return gate


@pytest.fixture
def client(box: Sandbox, gate: Slow) -> Iterator[Callable[[str, str], Client]]:
    clients: list[Client] = []

    def make(system: str, account: str) -> Client:
        clients.append(Client(box.url(system, account), gate=gate, headers={}))
        return clients[-1]

    yield make
    box.clear_faults()
    for each in clients:
        each.close()


def runtime(redis: Redis, target: Any, provider: Any = None) -> FakeRuntime[Any, Any]:
    routes = (Route(source="shop", targets=("t",), on_change="update"),)
    return FakeRuntime(redis, provider or Shop([]), target, routes=routes)


def tasks_until(done: Callable[[], bool], task: Callable[[], object]) -> int:
    """Run tasks, each with its time for calls, until the work is done; return how many."""
    for number in range(1, MANY):
        with time_for_calls(TIME):
            task()
        if done():
            return number
    raise AssertionError("the work does not end")


def accept(rt: FakeRuntime[Any, Any], order: Order, reference: str) -> None:
    rt.ledger.accept("t", [Delivery(order, reference)], "test", on_change="update", updates=rt.warehouse.updates)


def deliver(rt: FakeRuntime[Any, Any], state: str = "delivered") -> int:
    """Deliver the only order until it has this state; return how many tasks it took."""
    return tasks_until(lambda: rt.state("1").get("state") == state, lambda: tasks.deliver.deliver(rt, "t", rt.nudge))


def carried_order(**fields: Any) -> Order:
    address = {"first_name": "Ada", "last_name": "L", "street1": "Oude Delft 12", "city": "Delft", "country": "NL"}
    return cloud_order(shipping_address=address, **fields)


def big_order(quantity: int = 1, **fields: Any) -> Order:
    goods = [("MUG", "Mug"), ("TEA", "Tea"), ("POT", "Pot")]
    lines = [
        {"id": str(n), "sku": goods[n % 3][0], "name": goods[n % 3][1], "quantity": str(quantity), "unit_price": "2"}
        for n in range(LINES)
    ]
    return cloud_order(lines=lines, **{"totals": {}} | fields)


@pytest.fixture
def dropboy(client: Callable[[str, str], Client], monkeypatch: pytest.MonkeyPatch) -> Dropboy:
    monkeypatch.setattr("worker.systems.dropboy.target._DELAY", 0.0)
    options = DropboyOptions.model_validate({"api_key": Sandbox.KEY, "origin": ORIGIN, "take": 10})
    return Dropboy("t", options, client("dropboy", "main"))


def uploads(box: Sandbox) -> int:
    return len(box.journal(kind="effect", system="dropboy", did="created"))


@pytest.mark.parametrize("uncertain", ["ask", "looked"])
def test_a_walk_over_a_long_list_continues_where_it_stopped(
    redis: Redis, box: Sandbox, gate: Slow, dropboy: Dropboy, uncertain: str
) -> None:
    """Search a list of 25 pages for an order that is not there, and create it: once, in the end."""
    rt, before, reference = runtime(redis, dropboy), uploads(box), next(REFERENCES)
    pages = len(box.orders("dropboy", "main")) // 10 + 3
    accept(rt, carried_order(), reference)
    redis.hset("intake:order:t:shop:1", "uncertain", uncertain)
    rt.set_clocks(arrived=1e9)  # each order is searched for by itself
    deliver(rt)
    assert uploads(box) - before == 1
    assert gate.calls <= pages * 1.2 + 4, "no page is read again, apart from the overlap"
    assert not rt.state("1").keys() & {"place", "tries", "died"}


def test_a_search_that_is_interrupted_finds_the_order_in_the_end(redis: Redis, box: Sandbox, dropboy: Dropboy) -> None:
    rt, reference = runtime(redis, dropboy), next(REFERENCES)
    dropboy.create(carried_order(), reference)
    before = uploads(box)
    accept(rt, carried_order(), reference)
    redis.hset("intake:order:t:shop:1", "uncertain", "1")
    assert deliver(rt) > 3
    assert uploads(box) == before


def test_the_index_of_a_lost_ledger_is_read_in_steps(redis: Redis, box: Sandbox, gate: Slow, dropboy: Dropboy) -> None:
    rt, before, reference = runtime(redis, dropboy), uploads(box), next(REFERENCES)
    pages = len(box.orders("dropboy", "main")) // 10 + 3
    accept(rt, carried_order(), reference)
    redis.hset("intake:order:t:shop:1", "uncertain", "ask")
    rt.set_clocks(arrived=0)
    deliver(rt)
    assert uploads(box) - before == 1
    assert gate.calls <= pages * 1.2 + 4
    assert "tries" not in rt.state("1")


@pytest.mark.parametrize("known", [True, False])
def test_a_list_is_read_in_steps_for_the_orders_in_doubt(
    redis: Redis, gate: Slow, dropboy: Dropboy, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    monkeypatch.setattr("tasks.doubt.ASK_EVERY", -1000)
    rt, reference = runtime(redis, dropboy), next(REFERENCES)
    if known:
        dropboy.create(carried_order(), reference)
    accept(rt, carried_order(), reference)
    settle(rt, Outcome("doubt", "uncertain", "no answer", uncertain=True))
    gate.calls = 0
    answers: Counter[str] = Counter()

    def ask() -> None:
        answers.update(tasks.doubt.settle_doubts(rt, "t"))

    assert tasks_until(lambda: bool(answers["found"] + answers["unknown"]), ask) > 3
    assert (answers["found"], answers["unknown"]) == (known, not known)
    assert gate.calls < 40
    assert rt.doubt_listings == {}


def test_a_search_among_orders_with_similar_ids_continues_where_it_stopped(gate: Slow, serve: Serve) -> None:
    """Search twelve pages of orders whose ids contain the reference, as Dropday's filter returns them."""

    def answer(request: Request) -> bytes:
        page = int(parse_qs(urlsplit(request.target).query)["page"][0])
        rows = [{"external_id": "7" if page == 12 else f"7{page}", "reference": f"D{page}"}]
        return reply(body=json.dumps({"data": rows, "last_page": 12}).encode())

    options = DropdayOptions.model_validate({"api_key": "k", "account_id": "a"})
    target = Dropday("t", options, Client(serve(answer).url, gate=gate, headers={}))
    steps, found = Steps(), []

    def find() -> None:
        with suppress(OutOfTime), continued(steps):
            found.append(target.find("7"))

    assert tasks_until(lambda: bool(found), find) == 2
    assert (found, gate.calls) == ([Receipt("D12", existed=True)], 12)


@pytest.fixture
def ordercloud(client: Callable[[str, str], Client]) -> OrderCloud:
    return OrderCloud("t", OrderCloudOptions.model_validate(OPTIONS), client("ordercloud", "main"))


def test_an_order_of_many_lines_is_created_in_steps(
    redis: Redis, box: Sandbox, gate: Slow, ordercloud: OrderCloud
) -> None:
    rt, reference = runtime(redis, ordercloud), next(REFERENCES)
    accept(rt, big_order(), reference)
    taken = deliver(rt)
    assert taken > LINES // 6
    assert submitted(box, reference) == 1
    assert_same_order(stored_order(box, reference), big_order())
    assert gate.calls <= LINES + 6 + taken, "no line is written twice, and a task costs one call more"
    assert "place" not in rt.state("1")


def interrupted(redis: Redis, ordercloud: OrderCloud) -> tuple[FakeRuntime[Any, Any], str]:
    """Return a runtime, and the reference of an order whose creation was interrupted three times."""
    rt, reference = runtime(redis, ordercloud), next(REFERENCES)
    accept(rt, big_order(), reference)
    for _ in range(3):
        with time_for_calls(TIME):
            tasks.deliver.deliver(rt, "t", rt.nudge)
    return rt, reference


def test_an_order_that_changes_while_it_is_created_is_written_as_it_is_now(
    redis: Redis, box: Sandbox, ordercloud: OrderCloud
) -> None:
    rt, reference = interrupted(redis, ordercloud)
    changed = big_order(quantity=2, version=7)
    accept(rt, changed, reference)
    deliver(rt)
    assert submitted(box, reference) == 1
    assert_same_order(stored_order(box, reference), changed)


def test_an_order_that_is_cancelled_while_it_is_created_is_not_submitted(
    redis: Redis, box: Sandbox, ordercloud: OrderCloud
) -> None:
    rt, reference = interrupted(redis, ordercloud)
    rt.ledger.accept("t", [Delivery(big_order(version=7), reference, left_out="cancelled")], "test", on_change="update")
    with time_for_calls(TIME):
        tasks.deliver.deliver(rt, "t", rt.nudge)
    assert rt.state("1")["state"] == "withdrawn"
    assert submitted(box, reference) == 0


def test_an_order_without_one_of_its_products_is_not_submitted(
    redis: Redis, box: Sandbox, ordercloud: OrderCloud
) -> None:
    """Interrupt the creation after the line whose product is missing."""
    ordercloud.configure(OrderCloudOptions.model_validate(OPTIONS | {"product_map": {}, "products": "sku"}))
    rt, reference = runtime(redis, ordercloud), next(REFERENCES)
    lines = [{"id": str(n), "sku": "none" if n == 2 else "mug", "quantity": "1", "unit_price": "2"} for n in range(12)]
    accept(rt, cloud_order(lines=lines, totals={}), reference)
    deliver(rt, "held")
    assert "the product none is not there" in rt.state("1")["detail"]
    assert submitted(box, reference) == 0


def test_an_update_of_many_lines_is_written_in_steps(
    redis: Redis, box: Sandbox, gate: Slow, ordercloud: OrderCloud
) -> None:
    rt, reference = runtime(redis, ordercloud), next(REFERENCES)
    accept(rt, big_order(), reference)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    gate.calls = 0
    accept(rt, changed := big_order(quantity=3, version=7), reference)
    taken = deliver(rt)
    assert taken > LINES // 6
    assert_same_order(stored_order(box, reference), changed)
    assert gate.calls <= LINES + 4 * taken + 4


def test_a_page_of_many_calls_is_read_in_steps(
    redis: Redis, box: Sandbox, gate: Slow, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY}
    shop = OrderCloudShop("shop", OrderCloudShopOptions.model_validate(options), client("ordercloud", "shop"))
    rt, orders = runtime(redis, Warehouse(), shop), box.orders("ordercloud", "shop")
    start = datetime.now(UTC) - timedelta(days=2)
    monkeypatch.setattr(rt, "first_cursor", lambda _: shop.start(start))
    taken = tasks_until(lambda: "finished" in rt.cursors.status("shop"), lambda: tasks.poll.poll(rt, "shop", rt.nudge))
    assert int(rt.lanes["t"].status()["queued"]) == len(orders)
    assert gate.calls <= len(orders) + 4 * taken
    assert "failures" not in rt.cursors.status("shop")


@pytest.mark.parametrize("known", [True, False])
def test_a_hint_for_an_order_of_a_long_list_is_settled_in_steps(
    redis: Redis, box: Sandbox, client: Any, *, known: bool
) -> None:
    options = {"api_key": Sandbox.KEY, "take": 10, "bare": "accept"}
    shop = DropboyShop("shop", DropboyShopOptions.model_validate(options), client("dropboy", "main"))
    rt, last = runtime(redis, Warehouse(), shop), str(id_of(box.orders("dropboy", "main")[-1]))
    rt.fetches.add("shop", [wanted := last if known else "0" * 24])

    def settled() -> bool:
        redis.zadd("intake:fetch:shop", {wanted: 0}, xx=True)  # it is due again
        tries = redis.hget("intake:fetch:shop:tries", wanted)
        return not redis.zcard("intake:fetch:shop") if known else tries == "1"

    assert tasks_until(settled, lambda: tasks.fetch.fetch(rt, "shop", rt.nudge)) > 3
    assert not redis.exists("intake:fetch:shop:places")
    assert int(rt.lanes["t"].status()["queued"]) == known


def test_a_search_for_a_hint_that_has_ended_begins_anew_if_its_order_is_not_accepted(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt = runtime(redis, Warehouse())
    places: list[str] = []

    def fetch_one(external_id: str) -> Record:
        places.append(current_place())
        note_place("the page of the order")
        return Record({"id": external_id})

    monkeypatch.setattr(rt.shop, "fetch_one", fetch_one)
    accept, full = tasks.accept.accept, [StoreFull("full")]
    monkeypatch.setattr(
        "tasks.fetch.accept", lambda *given: (_ for _ in ()).throw(full.pop()) if full else accept(*given)
    )
    rt.fetches.add("shop", ["1"])
    for _ in range(2):
        redis.zadd("intake:fetch:shop", {"1": 0}, xx=True)  # it is due again
        tasks.fetch.fetch(rt, "shop", rt.nudge)
    assert places == ["", ""]
    assert rt.state("1")["state"] == "queued"


class Endless(Warehouse):
    """A target whose search takes more time than a task has, and notes no step."""

    def find(self, reference: str) -> None:
        raise OutOfTime("the time of the task is over")


def test_an_order_that_gets_nowhere_in_the_time_of_a_task_is_not_tried_for_ever(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    rt = runtime(redis, Endless())
    accept(rt, cloud_order(), "1")
    redis.hset("intake:order:t:shop:1", "uncertain", "1")
    deliver(rt, "in_doubt")
    assert rt.state("1")["code"] == "out_of_time"


def test_a_search_that_took_all_the_time_is_not_repeated_before_the_creation(redis: Redis) -> None:
    rt = runtime(redis, Warehouse())
    rt.warehouse.trouble = [OutOfTime("the time of the task is over")]
    accept(rt, cloud_order(), "1")
    redis.hset("intake:order:t:shop:1", "uncertain", "looked")
    deliver(rt)
    assert (rt.warehouse.finds, len(rt.warehouse.created)) == (1, 1)


def test_a_drain_ends_with_the_time_of_its_task(redis: Redis, gate: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    rt, claims, claim = runtime(redis, Warehouse()), list[int](), Drain.claim
    monkeypatch.setattr(rt.warehouse, "find", lambda _: gate.enter())

    def count(drain: Drain, most: int, **calls: int) -> list[Claim]:
        claims.append(most)
        return claim(drain, most, **calls)

    monkeypatch.setattr(Drain, "claim", count)
    for number in "123":
        accept(rt, cloud_order(external_id=number), number)
        redis.hset(f"intake:order:t:shop:{number}", "uncertain", "looked")
    with time_for_calls(1.0):
        tasks.deliver.deliver(rt, "t", rt.nudge)
    assert (len(claims), len(rt.warehouse.created), rt.nudged[-1]) == (1, 1, ("deliver", "t"))
    assert rt.lanes["t"].status()["queued"] == 2


def test_a_step_of_a_page_is_kept_in_the_cursor(redis: Redis) -> None:
    """Interrupt the reading of a page that has to be read in smaller parts."""

    class Narrowing(Shop):
        def fetch(self, cursor: str) -> Page:
            self.asked.append(cursor)
            if cursor != "0 smaller":
                note_place("0 smaller")
                raise OutOfTime("over")
            return Page([], "1", more=False)

    shop = Narrowing([])
    rt = runtime(redis, Warehouse(), shop)
    tasks.poll.poll(rt, "shop", rt.nudge)
    assert shop.asked == ["0", "0 smaller"]


def test_records_for_which_there_is_no_time_do_not_stop_the_page(gate: Slow) -> None:
    """Let one of a hundred records spoil each answer that contains it, at a system that takes four seconds a call."""

    def fetch(ids: Sequence[str]) -> list[dict[str, Any]]:
        check_time()
        gate.enter()
        if "7" in ids:
            raise Unavailable("not JSON", answered=True)
        return [{"id": each} for each in ids]

    reading, ids = Reading(fetch), [str(n) for n in range(100)]
    with time_for_calls(TIME):
        read = {each["id"] for each in reading.read(ids)}
    assert read | set(reading.missing) == set(ids)
    assert read.isdisjoint(reading.missing)
    with time_for_calls(0):
        gate.enter()
        with pytest.raises(OutOfTime):
            Reading(fetch).read(ids)


def test_the_steps_of_other_content_do_not_count() -> None:
    with continued(steps := Steps()):
        assert next(rest := Counted("a").rest("lines", "xyz")) == "x"
        assert next(rest) == "y"
    with continued(Steps(steps.place)):
        assert list(Counted("a").rest("lines", "xyz")) == ["y", "z"]
        assert list(Counted("b").rest("lines", "xyz")) == ["x", "y", "z"]
    assert current_place() == ""


def test_every_task_ends_its_calls_well_before_the_time_limit_of_celery(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.write()
    given: list[float | None] = []
    monkeypatch.setattr("worker.app.end_calls_in", given.append)
    clocks, limit = Clocks(), configuration()["task_time_limit"]
    conf = SimpleNamespace(task_time_limit=limit)
    for own in (None, RECONCILE_LIMIT):
        _limit_calls(SimpleNamespace(time_limit=own, app=SimpleNamespace(conf=conf)))
    _end_limit_of_calls()
    assert given == [limit - clocks.request - 15, RECONCILE_LIMIT - clocks.request - 15, None]
    assert limit - clocks.request - 15 >= max(clocks.poll, clocks.drain) + LONGEST + 15, "what is begun has time"


def test_the_time_of_a_task_is_over_in_the_background_too() -> None:
    with time_for_calls(-1.0), pytest.raises(OutOfTime):
        Background().run(("poll", "shop"), check_time)

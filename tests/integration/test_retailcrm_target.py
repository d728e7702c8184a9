"""The RetailCRM target against the simulator: an order is created once, found again, and read back as it was sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from schemas.changes import Changes, fingerprints
from schemas.order import Order
from support.sandbox import Sandbox
from worker.errors import AuthFailed, ConfigError, Held, Malformed, Misdirected, RateLimited, Rejected, Uncertain
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.retailcrm.options import RetailCRMOptions
from worker.systems.retailcrm.provider import RetailCRM as Reader
from worker.systems.retailcrm.provider import RetailCRMOptions as ReaderOptions
from worker.systems.retailcrm.target import RetailCRM
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "retailcrm:main:orders=120:missing_ids=0",
        "retailcrm:copy:timezone=Asia/Tokyo",
        "retailcrm:list:duplicate=errors",
        f"retailcrm:shops:sites=a+b:fields=nps+{'+'.join(f'f{n}' for n in range(105))}+gift",
        "retailcrm:silent:sites=a:references=denied",
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
        for line, source in zip(read_back.lines, order.lines, strict=True):
            assert line.quantity == source.quantity
            assert abs(line.unit_price - source.unit_price) < Decimal("0.05")
    assert {r for r in sent if back[r].totals.grand != sent[r].totals.grand} == set()
    assert target.find("main-") is None


def test_an_order_of_somebody_else_is_held_and_never_counts_as_delivered(
    box: Sandbox, crm: Callable[..., RetailCRM]
) -> None:
    """The other order has our reference: a shop's, another Intake's of another order, and one with our own time."""
    target, created = crm("copy"), f"{LONG_AGO:%Y-%m-%d %H:%M:%S}"
    other: list[dict[str, Any]] = [{"id": 1, "productName": "Other", "quantity": 1, "initialPrice": 99}]
    orders: list[dict[str, Any]] = [{"items": other}, {"items": other, "createdAt": created}]
    for number, fields in enumerate(orders):
        reference = f"taken-{number}"
        box.add_order({"externalId": reference, **fields}, account="copy")
        with pytest.raises(Held, match=f"externalId {reference} in copy was not created from this one"):
            target.create(new_order(), reference)
        with pytest.raises(Held, match="by someone else"):
            target.find(reference)
        outcomes = target.create_many([(new_order(), reference), (new_order(external_id="2"), f"free-{number}")])
        assert [type(outcome) for outcome in outcomes] == [Held, Receipt]
    target.create(new_order(), "theirs")
    with pytest.raises(Held, match="was not created from this one"):
        target.create(new_order(external_id="9"), "theirs")
    assert target.create(new_order(), "theirs").existed
    found = target.find("theirs")
    assert found is not None
    target.recognize(new_order(), "theirs", found, changed=False)
    with pytest.raises(Held, match="was not created from this one"):
        target.recognize(new_order(external_id="9"), "theirs", found, changed=True)


def test_every_reference_that_the_settings_allow_is_created_found_and_changed(crm: Callable[..., RetailCRM]) -> None:
    target = crm("copy")
    for reference in (
        "a/b",
        "a b",
        "#1001",
        "50%",
        "?x=1&y",
        "Кружка",
        "\U0001f600",
        "a\\b",
        "x" * 255,
        "é" * 255,
    ):
        made = target.create(new_order(), reference)
        assert not made.existed
        assert target.find(reference) == Receipt(made.target_id, existed=True)
        changed = new_order(note="Ring")
        target.update(changed, reference, made.target_id or "", Changes.between(fingerprints(new_order()), changed))
        assert target.create(new_order(), reference).existed


@pytest.mark.parametrize("reference", [".", "..", "a/../b", "%2e%2e"])
def test_an_order_whose_reference_would_change_the_path_of_a_search_is_refused_before_it_is_sent(
    crm: Callable[..., RetailCRM], reference: str
) -> None:
    target = crm("copy")
    with pytest.raises(Malformed, match="would change the path"):
        target.create(new_order(), reference)
    (refused,) = target.create_many([(new_order(), reference)])
    assert isinstance(refused, Malformed)


def test_check_names_a_missing_site_a_wrong_one_and_codes_that_the_account_does_not_have(
    crm: Callable[..., RetailCRM],
) -> None:
    maps = {"status_map": {"new": "new"}, "delivery_map": {"x": "courier"}, "payment_map": {"card": "bank-card"}}
    crm("shops", site="a", **maps).check()
    maps["custom_map"] = {"gift_message": "gift", "custom.nps": "nps"}
    crm("shops", site="a", **maps).check()
    crm("silent", site="a", status_map={"new": "nowhere"}, custom_map={"note": "nowhere"}).check()
    for options, message in (
        ({}, r"targets.shops.site: it is missing, and the key reaches 2 sites.* site = \"a\", \"b\""),
        ({"site": "c"}, "targets.shops.site: the key does not reach this site"),
        ({"site": "a", "status_map": {"new": "nowhere"}}, "targets.shops.status_map: the account has no code nowhere"),
        ({"site": "a", "custom_map": {"note": "n"}}, "targets.shops.custom_map: the account has no code n, and"),
        ({"site": "a", "delivery_map": {"x": "drone"}}, "targets.shops.delivery_map: the account has no code drone"),
        ({"site": "a", "payment_map": {"x": "gold"}}, "targets.shops.payment_map: the account has no code gold"),
    ):
        with pytest.raises(ConfigError, match=message):
            crm("shops", **options).check()
    with pytest.raises(Rejected, match=r"status 400: delivery\.code"):
        crm("shops", site="a", delivery_map={"x": "drone"}).create(new_order(shipping={"method": "x"}), "coded")


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
        with pytest.raises(Misdirected, match="url is probably wrong"):
            call()
    with pytest.raises(Misdirected, match="url is probably wrong"):
        crm("nobody", time_zone="UTC").create(new_order(), "1")
    with pytest.raises(AuthFailed, match="403"):
        crm("copy", api_key="wrong").check()

"""Dropboy as a target against the simulator: an order is uploaded once, awaited, and found again by its number."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from schemas.order import Order
from support.sandbox import Sandbox
from worker.errors import AuthFailed, Misdirected, Rejected, Unavailable, Uncertain
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropboy.provider import Dropboy as Reader
from worker.systems.dropboy.provider import DropboyOptions as ReaderOptions
from worker.systems.dropboy.target import Dropboy, DropboyOptions
from worker.systems.target import Pending, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_AGO = datetime.now(UTC) - timedelta(days=2)
SCHEMA = json.loads((Path(__file__).parents[1] / "contract" / "dropboy_batch.schema.json").read_text("utf-8"))
ORIGIN = {"address": "Dock Rd 1", "zip_code": "8000", "city": "Aarhus", "phone": "+45 87 65 43 21"}
CONTRACT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "dropboy:main:processing=0:required=annotated",
        "dropboy:slow:processing=0.4",
        "dropboy:lagging:processing=0:list_lag=0.6",
        "dropboy:bare:processing=0:rows=bare",
        "dropboy:bareforgets:processing=0:rows=bare:batch_life=0.01",
        "dropboy:once:processing=0:repeated=refused",
        "dropboy:forgets:processing=0:batch_life=0.01",
        "dropboy:forgets404:processing=0:batch_life=0.01:unknown_batch=404",
        "dropboy:forgets200:processing=0:batch_life=0.01:unknown_batch=200",
        "dropboy:source:orders=150:missing_ids=0",
        "dropboy:reading:permission=read",
        "dropboy:swapped:permission=read:key_status=401",
        "dropboy:nested:processing=0:rows=nested",
        "dropboy:busy:processing=0:orders=300:max_take=50:order=shuffled",
    ]
    with Sandbox(accounts=accounts, systems="dropboy") as running:
        yield running


@pytest.fixture
def client(box: Sandbox) -> Iterator[Callable[[str], Client]]:
    clients: list[Client] = []

    def make(account: str) -> Client:
        clients.append(Client(box.url("dropboy", account), gate=Open(), headers={}))
        return clients[-1]

    yield make
    for each in clients:
        each.close()
    box.clear_faults()


@pytest.fixture
def dropboy(client: Callable[[str], Client]) -> Callable[..., Dropboy]:
    def make(account: str, **options: Any) -> Dropboy:
        settings = {"api_key": Sandbox.KEY, "origin": ORIGIN, **options}
        return Dropboy(account, DropboyOptions.model_validate(settings), client(account))

    return make


@pytest.fixture
def orders(client: Callable[[str], Client]) -> Callable[[str], dict[str, Order]]:
    """Return a function that reads all orders of an account, by id."""

    def read(account: str) -> dict[str, Order]:
        settings = ReaderOptions.model_validate({"api_key": Sandbox.KEY, "currency": "EUR"})
        reader = Reader(account, settings, client(account))
        page = reader.fetch(reader.start(LONG_AGO))
        records = list(page.records)
        while page.more:
            page = reader.fetch(page.cursor)
            records += page.records
        return {order.external_id: order for order in map(reader.normalize, records)}

    return read


def make_order(**fields: Any) -> Order:
    base: dict[str, Any] = {
        "provider": "shop",
        "external_id": "1",
        "status": "new",
        "ordered_at": LONG_AGO,
        "lines": [{"name": "Mug", "quantity": "2", "unit_price": "9.9"}],
        "totals": {"grand": "19.8"},
        "shipping_address": {
            "first_name": "Ada",
            "last_name": "Lovelace",
            "street1": "High St 9",
            "postal_code": "2100",
            "city": "Copenhagen",
            "country": "DK",
            "phone": "32 12 34 56",
        },
    }
    return Order.model_validate(base | fields)


def create_and_wait(target: Dropboy, order: Order, reference: str) -> Receipt:
    """Create an order and resume until it exists, as the core does."""
    result: Receipt | Pending = target.create(order, reference)
    until = time.monotonic() + 10
    while isinstance(result, Pending):
        assert time.monotonic() < until
        result = target.resume(order, reference, result.step)
        time.sleep(0.02)
    return result


def numbers(box: Sandbox, account: str) -> list[str]:
    return [order["orderNumber"] for order in box.orders("dropboy", account)]


def test_every_order_is_created_once_and_read_back_as_it_was_sent(
    box: Sandbox, dropboy: Callable[..., Dropboy], orders: Callable[[str], dict[str, Order]]
) -> None:
    target = dropboy("main", contract_key=CONTRACT, price="send", currency="EUR", time_zone="Europe/Copenhagen")
    target.check()
    sources = {f"source-{order.external_id}": order for order in orders("source").values()}
    receipts = {reference: create_and_wait(target, order, reference) for reference, order in sources.items()}
    back = orders("main")
    assert len(sources) == 150
    assert {receipt.target_id for receipt in receipts.values()} == back.keys()
    assert sorted(numbers(box, "main")) == sorted(sources)
    for reference, order in sources.items():
        order_read = back[str(receipts[reference].target_id)]
        assert order_read.source_id == reference
        assert getattr(order_read, Reader.reference_field or "") == reference
        assert (order_read.totals.grand, order_read.shipping_address.phone) == (
            order.totals.grand,
            order.shipping_address.phone,
        )
        assert order_read.shipping_address.city == order.shipping_address.city
        assert target.find(reference) == Receipt(order_read.external_id, existed=True)
    assert target.find("source-") is None


def test_an_uploaded_file_conforms_to_the_schema(
    dropboy: Callable[..., Dropboy], box: Sandbox, client: Callable[[str], Client]
) -> None:
    """Validate the order as Dropboy returns it, wrapped in a file again."""
    receipt = create_and_wait(dropboy("main", contract_key=CONTRACT), make_order(), "by-the-book")
    stored = next(order for order in box.orders("dropboy", "main") if order["id"] == receipt.target_id)
    sent_fields = {
        key: stored[key] for key in stored.keys() - {"id", "wuxusNumber", "status", "created", "batchFileId"}
    }
    Draft202012Validator(SCHEMA).validate({"version": "1.0", "data": [{"order": sent_fields}]})
    assert sent_fields["destination"]["phone"] == {"prefix": 45, "number": 32123456}


def test_an_upload_is_pending_until_it_is_processed(dropboy: Callable[..., Dropboy], box: Sandbox) -> None:
    target = dropboy("slow")
    pending = target.create(make_order(), "slow-1")
    assert isinstance(pending, Pending)
    assert pending.delay > 0
    assert target.resume(make_order(), "slow-1", pending.step) == pending
    assert target.find("slow-1") is None  # which proves nothing: Dropboy is processing the file
    assert not Dropboy.settles
    time.sleep(0.5)
    receipt = target.resume(make_order(), "slow-1", pending.step)
    assert receipt == target.resume(make_order(), "slow-1", pending.step)  # a repeated request is safe
    assert isinstance(receipt, Receipt)
    assert not receipt.existed
    assert numbers(box, "slow") == ["slow-1"]


@pytest.mark.parametrize("kind", ["500_after", "cut_after", "html_after"])
def test_an_upload_with_a_lost_response_is_uncertain_and_found_when_it_is_listed(
    box: Sandbox, dropboy: Callable[..., Dropboy], kind: str
) -> None:
    target = dropboy("lagging")
    reference = f"lost-{kind}"
    box.fault(f"dropboy:create:{kind}:account=lagging:times=1")
    with pytest.raises(Uncertain):
        target.create(make_order(), reference)
    assert target.find(reference) is None
    time.sleep(0.7)
    receipt = target.find(reference)
    assert receipt is not None
    assert receipt.existed
    assert numbers(box, "lagging").count(reference) == 1


@pytest.mark.parametrize("kind", ["500", "cut_after", "html", "503"])
def test_a_status_request_with_a_lost_response_can_be_repeated(
    box: Sandbox, dropboy: Callable[..., Dropboy], kind: str
) -> None:
    target = dropboy("main")
    pending = target.create(make_order(), f"asked-{kind}")
    assert isinstance(pending, Pending)
    box.fault(f"dropboy:status:{kind}:account=main:times=1")
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the type is checked below
        target.resume(make_order(), f"asked-{kind}", pending.step)
    assert type(caught.value).__name__ == ("TargetDown" if kind == "503" else "Unavailable")
    assert isinstance(target.resume(make_order(), f"asked-{kind}", pending.step), Receipt)
    assert numbers(box, "main").count(f"asked-{kind}") == 1


def test_a_refused_row_is_reported_with_its_path(box: Sandbox, dropboy: Callable[..., Dropboy]) -> None:
    target = dropboy("once")
    create_and_wait(target, make_order(), "twin")
    with pytest.raises(Rejected, match=r"completed: orderNumber$") as caught:
        create_and_wait(target, make_order(), "twin")
    assert caught.value.fields == {"errors": [{"index": 0, "path": ["", "orderNumber"], "message": "should be unique"}]}
    assert numbers(box, "once") == ["twin"]


@pytest.mark.parametrize("account", ["forgets", "forgets404", "forgets200"])
def test_an_order_whose_file_was_forgotten_is_found_in_the_list(dropboy: Callable[..., Dropboy], account: str) -> None:
    target = dropboy(account)
    pending = target.create(make_order(), "kept")
    assert isinstance(pending, Pending)
    time.sleep(0.05)
    receipt = target.resume(make_order(), "kept", pending.step)
    assert isinstance(receipt, Receipt)
    assert receipt.existed
    with pytest.raises(Unavailable, match="the file is not known"):
        target.resume(make_order(), "never sent", pending.step)


def test_a_list_without_order_numbers_does_not_prove_that_an_order_is_absent(dropboy: Callable[..., Dropboy]) -> None:
    target = dropboy("bare")
    assert target.find("first") is None  # certain, because the list is empty
    create_and_wait(target, make_order(), "first")
    for reference in ("first", "second"):
        with pytest.raises(Rejected, match="does not show order numbers"):
            target.find(reference)


def test_a_forgotten_file_and_a_list_without_numbers_reject_no_order(dropboy: Callable[..., Dropboy]) -> None:
    target = dropboy("bareforgets")
    pending = target.create(make_order(), "somewhere")
    assert isinstance(pending, Pending)
    time.sleep(0.05)
    with pytest.raises(Unavailable):
        target.resume(make_order(), "somewhere", pending.step)


def test_an_order_is_found_behind_many_others_in_short_and_shuffled_pages(
    dropboy: Callable[..., Dropboy], box: Sandbox
) -> None:
    target = dropboy("busy")
    receipt = create_and_wait(target, make_order(), "needle")
    box.add_orders(200, "dropboy", "busy")
    assert target.find("needle") == Receipt(receipt.target_id, existed=True)
    assert target.find("needl") is None


def test_an_order_is_found_in_a_list_that_nests_its_fields(dropboy: Callable[..., Dropboy]) -> None:
    target = dropboy("nested")
    receipt = create_and_wait(target, make_order(), "nested:1/ü %_\\")
    assert target.find("nested:1/ü %_\\") == Receipt(receipt.target_id, existed=True)
    assert target.find("nested:1") is None


@pytest.mark.parametrize("account", ["reading", "swapped"])
def test_a_key_without_permission_to_upload_fails_the_authentication(
    dropboy: Callable[..., Dropboy], account: str
) -> None:
    with pytest.raises(AuthFailed):
        dropboy(account).create(make_order(), "1")
    with pytest.raises(AuthFailed):
        dropboy(account, api_key="wrong").check()
    with pytest.raises(Misdirected, match="url is probably wrong"):
        dropboy("nobody").check()

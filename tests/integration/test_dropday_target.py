"""Dropday as a target against the simulator: every reference works, and an order of someone else is held."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from schemas.order import Address, Line, Order, Status, Totals
from support.sandbox import Sandbox
from worker.errors import Held
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropday.provider import Dropday as Reader
from worker.systems.dropday.provider import DropdayOptions as ReaderOptions
from worker.systems.dropday.target import Dropday, DropdayOptions
from worker.systems.provider import Record
from worker.systems.target import Receipt
from worker.systems.view import differing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = {"api_key": Sandbox.KEY, "account_id": Sandbox.ACCOUNT_ID}
REFERENCES = ("7", "77", "so-7", "shop:7", "shop_7", "100%", "a\\b", "ü 7/№", "x" * 255)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(accounts=["dropday:plain", "dropday:like:filter=like"], systems="dropday") as running:
        yield running


@pytest.fixture
def client(box: Sandbox) -> Iterator[Callable[[str], Client]]:
    clients: list[Client] = []

    def make(account: str) -> Client:
        clients.append(Client(box.url("dropday", account), gate=Open(), headers={}))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


def order(name: str = "Mug") -> Order:
    line = Line(name=name, quantity=Decimal(2), unit_price=Decimal("9.90"), discount=Decimal("1.80"))
    to = Address(last_name="Ada Byron", street1="Kade 1", city="Delft", postal_code="2611", country="NL")
    return Order(
        provider="shop",
        external_id="7",
        status=Status.NEW,
        ordered_at=datetime(2026, 3, 1, tzinfo=UTC),
        lines=(line,),
        totals=Totals(shipping=Decimal("4.95"), grand=Decimal("22.95")),
        shipping_address=to,
        gift_message="Happy birthday",
    )


@pytest.mark.parametrize("account", ["plain", "like"])
def test_every_reference_is_created_once_found_and_read_back(client: Callable[[str], Client], account: str) -> None:
    target = Dropday("dropday", DropdayOptions.model_validate(KEYS), client(account))
    made = {reference: target.create(order(reference), reference) for reference in REFERENCES}
    assert len({receipt.target_id for receipt in made.values()}) == len(REFERENCES)
    for reference, receipt in made.items():
        there = Receipt(receipt.target_id, existed=True)
        assert target.create(order(reference), reference) == target.find(reference) == there
    assert target.find("op:7") is None
    reader = Reader("dropday", ReaderOptions.model_validate(target.reader_options()), client(account))
    for reference, receipt in made.items():
        record = reader.fetch_one(str(receipt.target_id))
        assert isinstance(record, Record)
        read = reader.normalize(record)
        assert (read.source_id, read.grand_total) == (reference, Decimal("22.95"))
        assert differing(target.view(order(reference), "source"), target.view(read, "target")) == ()


def test_an_order_of_someone_else_with_the_reference_is_held_and_not_changed(
    box: Sandbox, client: Callable[[str], Client]
) -> None:
    target = Dropday("dropday", DropdayOptions.model_validate(KEYS), client("plain"))
    target.create(order(), "taken")
    with pytest.raises(Held, match="differs in products"):
        target.create(order("Cup"), "taken")
    (stored,) = [stored for stored in box.orders("dropday", "plain") if stored["external_id"] == "taken"]
    assert [line["name"] for line in stored["order_lines"]] == ["Mug"]

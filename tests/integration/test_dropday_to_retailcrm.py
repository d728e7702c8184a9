"""Dropday to RetailCRM: one adapter can send every order that the other reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from support.sandbox import Sandbox
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropday.provider import Dropday, DropdayOptions
from worker.systems.retailcrm.options import RetailCRMOptions
from worker.systems.retailcrm.target import RetailCRM


def test_every_order_of_dropday_is_created_once_in_retailcrm() -> None:
    key = {"api_key": Sandbox.KEY}
    with Sandbox(accounts=["dropday:main:orders=80:spread=3600"], limits=["retailcrm=off"]) as box:
        reading = Client(box.url("dropday"), gate=Open(), headers={})
        writing = Client(box.url("retailcrm"), gate=Open(), headers={})
        settings = DropdayOptions.model_validate({**key, "account_id": Sandbox.ACCOUNT_ID})
        provider = Dropday("dropday", settings, reading)
        target = RetailCRM("crm", RetailCRMOptions.model_validate({**key, "currency": "EUR"}), writing)
        try:
            records = provider.fetch(provider.start(datetime.now(UTC) - timedelta(days=2))).records
            orders = [provider.normalize(record) for record in records]
            assert not any(target.create(order, order.key).existed for order in orders)
            assert all(target.create(order, order.key).existed for order in orders)
        finally:
            reading.close()
            writing.close()
        created = {order["externalId"]: order for order in box.orders("retailcrm")}
    assert len(orders) == 80
    assert created.keys() == {order.key for order in orders}
    assert {order["currency"] for order in created.values()} == {"EUR"}
    assert all(len(created[order.key]["items"]) == len(order.lines) for order in orders)

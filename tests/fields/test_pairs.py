"""The full order of every system reaches every target over HTTP: its total and its goods are the same there."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import simplejson

import tasks.deliver
from fields.systems import CURRENCIES, NAMES, full_record, settings_text, simulators
from support.redis_text import make_due
from support.settings_texts import Configured
from tasks.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from worker.runtime import Runtime

    #: The stored orders by target and provider.
    Stored = dict[tuple[str, str], dict[str, Any]]

#: What the buyer of each full record pays, by the sheets of facts.
PAID = {"retailcrm": "23.75", "dropstream": "15.95", "ordercloud": "53.00", "dropday": "43.35", "dropboy": "100.00"}
#: The pieces of goods that are to be shipped: without those that are cancelled.
PIECES = {"retailcrm": 2, "dropstream": 1, "ordercloud": 4, "dropday": 3, "dropboy": 1}
#: By target: the field with the lines.
LINES = {"retailcrm": "items", "ordercloud": "LineItems", "dropday": "products"}
#: By target: our reference and the total in an order that the simulator stores.
REFERENCES = {"retailcrm": "externalId", "ordercloud": "ID", "dropday": "external_id", "dropboy": "orderNumber"}


@pytest.fixture
def stored(tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stored]:
    """Push the full record of each provider, and deliver it to each target. Yield what the simulators store."""
    configured = Configured(tmp_path, redis_url, monkeypatch)
    with simulators() as box:
        configured.credentials(box.KEY, box.ACCOUNT_ID)
        rt = configured.open(settings_text(box))
        jobs = [{"v": 1, "provider": f"from-{kind}", "record": full_record(kind)} for kind in NAMES]
        result = ingest(rt, [simplejson.dumps(job, use_decimal=True).encode() for job in jobs], lambda *_: None)
        assert not result.letters, result.letters
        for target in rt.targets:
            _deliver(rt, target, redis)
        yield {
            (kind, _provider_of(str(order[reference]))): order
            for kind, reference in REFERENCES.items()
            for currency in sorted(set(CURRENCIES.values()))
            for order in box.orders(kind, currency)
            if "from-" in str(order.get(reference))
        }
    configured.close()


def _deliver(rt: Runtime, target: str, redis: Redis) -> None:
    lane = rt.lanes[target]
    lane.quarantine_ms = 0
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not lane.status()["queued"]:
            return
        make_due(redis, lane)
        redis.hdel(lane.keys.lane, "closed_until")
        tasks.deliver.deliver(rt, target, lambda *_: None)
        time.sleep(0.05)
    raise AssertionError(lane.status())


def _provider_of(reference: str) -> str:
    return next(kind for kind in NAMES if f"from-{kind}" in reference)


def _total(target: str, order: dict[str, Any]) -> Decimal:
    match target:
        case "retailcrm":
            total = order["totalSumm"]
        case "ordercloud":
            total = order["Total"]
        case "dropday":
            total = order["total"]
        case _:
            return Decimal(str(order["price"]["amount"])) / 100
    return Decimal(str(total))


def _pieces(target: str, order: dict[str, Any]) -> int:
    """Return the pieces of goods: lines for taxes and fees are none, and Dropboy names the goods in its comments."""
    if target == "dropboy":
        return sum(int(line.partition(" x ")[0]) for line in order["comments"].split("\n") if " x " in line)
    lines = order.get("posted", order)[LINES[target]]
    goods = [line for line in lines if line.get("productName") not in {"Tax", "Fees"} and not line.get("isCanceled")]
    return sum(int(line.get("quantity") or line["Quantity"]) for line in goods)


def test_the_full_order_of_every_system_arrives_with_its_total_and_its_goods_in_every_target(stored: Stored) -> None:
    pairs = [(target, provider) for target in REFERENCES for provider in NAMES]
    totals = {pair: str(_total(pair[0], order).quantize(Decimal("0.01"))) for pair, order in stored.items()}
    assert totals == {pair: PAID[pair[1]] for pair in pairs}
    assert {pair: _pieces(pair[0], order) for pair, order in stored.items()} == {
        pair: PIECES[pair[1]] for pair in pairs
    }

"""No field of an order disappears unlisted at Dropday or Dropboy: it is in the request, or listed with a reason."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import simplejson

from schemas.dropboy_batch import BatchFile, Party, Terms
from schemas.dropday_request import OrderRequest
from schemas.minor_units import to_minor
from schemas.order import Order
from worker.systems.dropboy import dropped as dropboy
from worker.systems.dropday import dropped as dropday

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FULL = simplejson.loads((Path(__file__).parents[1] / "data" / "full" / "order.json").read_text("utf-8"))
TERMS = Terms(None, "distribution", "pallet", Party(), ZoneInfo("Europe/Amsterdam"))
DROPPED: Mapping[str, Mapping[str, str]] = {"dropday": dropday.DROPPED, "dropboy": dropboy.DROPPED}
#: Another value of the leaves that have a form, by their last name.
ANOTHER: Mapping[str, Any] = {
    "status": "new",
    "removed": "deleted",
    "currency": "DKK",
    "promised_on": "2026-03-06",
    "promised_from": "11:00",
    "promised_until": "15:00",
    "ship_on": "2026-03-04",
    "cancel_after": "2026-03-10",
    "country": "BE",
    "ean": "4006381333948",
    "phone": "+31205550199",
    "phone2": "+31205550198",
    "ordered_at": "2026-03-01T09:00:00Z",
    "updated_at": "2026-03-01T09:00:00Z",
    "paid_at": "2026-03-01T09:00:00Z",
}


def dropday_body(order: Order) -> Any:
    source = order.store or order.provider
    return OrderRequest.of(order, "R", source=source, test=order.test, country=str).body()


def dropboy_body(order: Order) -> Any:
    return BatchFile.of(order, "R", TERMS, to_minor(order.grand_total, "EUR")).body()


REQUESTS = {"dropday": dropday_body, "dropboy": dropboy_body}


def leaves(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, *path, key)
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from leaves(item, *path, n)
    else:
        yield path


def changed(path: tuple[Any, ...]) -> Order:
    raw = deepcopy(FULL)
    parent: Any = raw
    for step in path[:-1]:
        parent = parent[step]
    old, name = parent[path[-1]], path[-1]
    if isinstance(old, bool):
        another: Any = not old
    elif isinstance(old, int):
        another = old + 1
    else:
        another = str(Decimal(old) + 1) if isinstance(old, str) and old.replace(".", "").isdigit() else f"{old}-x"
    parent[path[-1]] = ANOTHER.get(str(name), another)
    return Order.model_validate(raw)


def listed(dropped: Mapping[str, str], path: tuple[Any, ...]) -> bool:
    """Return whether the field, or the part of the order that it is in, is listed."""
    names = [str(step) for step in path if not isinstance(step, int)]
    names = ["custom", "KIND"] if names[:2] == ["custom", "retailcrm"] else names
    return any(".".join(names[: n + 1]) in dropped for n in range(len(names)))


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_every_field_of_an_order_is_sent_or_listed_as_dropped(kind: str) -> None:
    request, order = REQUESTS[kind], Order.model_validate(FULL)
    unsent = [path for path in leaves(FULL) if request(changed(path)) == request(order)]
    assert [path for path in unsent if not listed(DROPPED[kind], path)] == []
    assert all(DROPPED[kind].values())


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_no_field_is_listed_as_dropped_that_is_sent(kind: str) -> None:
    request, order = REQUESTS[kind], Order.model_validate(FULL)
    sent = [path for path in leaves(FULL) if request(changed(path)) != request(order)]
    assert [path for path in sent if listed(DROPPED[kind], path)] == []


def test_the_full_order_names_every_field() -> None:
    def fields(model: Any) -> set[str]:
        return set(model.model_fields)

    order = Order.model_validate(FULL)
    assert FULL.keys() == fields(Order)
    for part, raw in (
        (order.lines[0], FULL["lines"][0]),
        (order.totals, FULL["totals"]),
        (order.customer, FULL["customer"]),
        (order.shipping_address, FULL["shipping_address"]),
        (order.shipping, FULL["shipping"]),
        (order.shipping.pickup_point, FULL["shipping"]["pickup_point"]),
        (order.payments[0], FULL["payments"][0]),
    ):
        assert raw.keys() == fields(type(part))


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_the_lists_name_fields_that_an_order_has(kind: str) -> None:
    parts = {".".join(str(step) for step in path if not isinstance(step, int)) for path in leaves(FULL)}
    known = {name for part in parts for name in (part, part.split(".")[0], ".".join(part.split(".")[:2]))}
    assert [name for name in DROPPED[kind] if name not in {*known, "custom.KIND"}] == []

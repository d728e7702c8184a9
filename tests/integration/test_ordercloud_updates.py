"""The OrderCloud target against the simulator: changed and cancelled orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from schemas.changes import Changes, fingerprints
from schemas.ordercloud_mark import without_nulls
from support.ordercloud_target import (
    DELFT,
    MUG,
    POT,
    REFERENCES,
    TEA,
    assert_same_order,
    cloud_order,
    create_with_retries,
    simulated_ordercloud,
    stored_order,
    submitted,
    target_factory,
)
from worker.errors import Held, Rejected, RetryableError
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.sandbox import Sandbox
    from worker.systems.ordercloud.target import OrderCloud

CHANGED = cloud_order(
    lines=[{**MUG, "quantity": "5", "discount": "0"}, {**POT, "id": "b"}],
    note="Do not ring",
    totals={"shipping": "0", "tax": "1"},
    shipping_address={**DELFT, "street1": "Voorstraat 1"},
    billing_address={**DELFT, "street1": "Postbus 6"},
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with simulated_ordercloud() as box:
        yield box


@pytest.fixture
def cloud(box: Sandbox) -> Iterator[Callable[..., OrderCloud]]:
    with target_factory(box) as make:
        yield make


def test_an_update_overwrites_our_fields_and_keeps_the_others(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    target, reference = cloud(), next(REFERENCES)
    target.create(cloud_order(), reference)
    box.change(reference, "ordercloud", xp=stored_order(box, reference)["xp"] | {"Warehouse": "north"})
    target.update(CHANGED, reference, reference, Changes.all(CHANGED))
    stored = stored_order(box, reference)
    assert_same_order(stored, CHANGED)
    assert stored["xp"]["Warehouse"] == "north"
    cloud(user_id="another").update(CHANGED, reference, "", Changes.all(CHANGED))
    again = stored_order(box, reference)
    assert without_nulls({**again, "LastUpdated": None}) == without_nulls({**stored, "LastUpdated": None})
    assert submitted(box, reference) == 1
    with pytest.raises(Rejected, match="it no longer exists"):
        target.update(CHANGED, "never", "never", Changes.all(CHANGED))


@pytest.mark.parametrize("kind", ["cut_after", "500_before"])
@pytest.mark.parametrize("step", range(10))
def test_an_update_interrupted_at_any_call_is_completed_by_the_next_try(
    box: Sandbox, cloud: Callable[..., OrderCloud], step: int, kind: str
) -> None:
    reference = next(REFERENCES)
    cloud().create(cloud_order(), reference)
    box.fault(f"ordercloud:*:{kind}:skip={step}:times=1")
    with pytest.raises(RetryableError):
        cloud().update(CHANGED, reference, reference, Changes.all(CHANGED))
    cloud().update(CHANGED, reference, reference, Changes.all(CHANGED))
    assert_same_order(stored_order(box, reference), CHANGED)
    assert submitted(box, reference) == 1


def test_a_cancelled_order_is_cancelled_once_and_not_reopened(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    target, reference = cloud(), next(REFERENCES)
    target.create(cloud_order(), reference)
    cancelled = cloud_order(status="cancelled", lines=[{**MUG, "sku": "not in the map"}])
    box.fault("ordercloud:cancel:cut_after:times=1")
    with pytest.raises(RetryableError):
        target.change(cancelled, reference, reference, Changes.all(cancelled))
    target.change(cancelled, reference, reference, Changes.all(cancelled))
    assert stored_order(box, reference)["Status"] == "Canceled"
    with pytest.raises(Held, match=r"is cancelled there, and cannot be opened again: .* --drop"):
        target.update(cloud_order(), reference, reference, Changes.all(cloud_order()))
    assert target.create(cloud_order(), reference) == Receipt(reference, existed=True)


def test_a_refused_cancellation_is_held_with_the_reason(cloud: Callable[..., OrderCloud]) -> None:
    target, reference = cloud("final", product_map={"MUG": "mug", "TEA": "tea"}), next(REFERENCES)
    target.create(cloud_order(currency="USD"), reference)
    cancelled = cloud_order(currency="USD", status="cancelled")
    reason = r"/cancel: status 400: Order\.CannotCancelInCurrentStatus: .*intake release final shop:1 --drop"
    with pytest.raises(Held, match=reason):
        target.change(cancelled, reference, reference, Changes.all(cancelled))


@pytest.mark.parametrize("step", range(8))
def test_an_order_cancelled_before_its_creation_ends_cancelled(
    box: Sandbox, cloud: Callable[..., OrderCloud], step: int
) -> None:
    reference, order = next(REFERENCES), cloud_order(status="cancelled")
    box.fault(f"ordercloud:*:cut_after:skip={step}:times=1")
    create_with_retries(cloud, order, reference)
    assert stored_order(box, reference)["Status"] == "Canceled"
    assert submitted(box, reference) == 1


#: What people change in OrderCloud, by fields of the order and of its lines.
PEOPLE: Final[dict[str, Any]] = {
    "Comments": "Call before",
    "ShippingCost": 7,
    "xp": {"Courier": "Hermes"},
    "BillingAddress": {"Street1": "Elsewhere 1", "City": "Delft", "Country": "NL", "xp": None},
}


def _people(box: Sandbox, reference: str) -> None:
    """Change the order as people do: fields, another street, another quantity of tea, and a line of their own."""
    stored = stored_order(box, reference)
    mug, tea = sorted(stored["LineItems"], key=lambda line: str(line["ID"]))
    mug["ShippingAddress"] |= {"Street1": "Corrected 1"}
    own = {"ID": "gift", "ProductID": "card", "Quantity": 1, "UnitPrice": 0}
    fields = {**PEOPLE, "xp": {**stored["xp"], **PEOPLE["xp"]}}
    box.change(reference, "ordercloud", LineItems=[mug, {**tea, "Quantity": 2}, own], **fields)


@pytest.mark.parametrize(
    ("change", "written"),
    [
        ({"note": "Ring once"}, {"Comments": "Ring once"}),
        ({"totals": {"shipping": "5.95", "tax": "9.03"}}, {"ShippingCost": 5.95}),
        ({"totals": {"shipping": "4.95", "tax": "9.03", "fees": "2"}}, {"Gratuity": 2}),
        ({"shipping_address": {**DELFT, "city": "Leiden"}}, {"City": "Leiden"}),
        ({"billing_address": {**DELFT, "street1": "Postbus 6"}}, {"Street1": "Postbus 6"}),
        ({"lines": [{**MUG, "quantity": "3"}, TEA]}, {"a": 3}),
        ({"lines": [{**MUG, "sku": "POT"}, TEA]}, {"a": "pot"}),
        ({"lines": [MUG, TEA, POT]}, {"c": 1}),
        ({"lines": [TEA]}, {"a": None}),
        ({"shipping": {"carrier": "UPS"}, "tags": ["gift"]}, {}),
    ],
)
def test_an_update_writes_what_changed_and_keeps_what_people_changed(
    box: Sandbox, cloud: Callable[..., OrderCloud], change: dict[str, Any], written: dict[str, Any]
) -> None:
    reference, order, changed = next(REFERENCES), cloud_order(), cloud_order(**change)
    cloud().create(order, reference)
    _people(box, reference)
    for _ in range(2):  # a second call changes nothing
        cloud().update(changed, reference, reference, Changes.between(fingerprints(order), changed))
    stored = stored_order(box, reference)
    lines = {line["ID"]: line for line in stored["LineItems"] if not line["ID"].endswith("_r")}
    goods = {key: sum(each["Quantity"] for each in stored["LineItems"] if each["ID"].startswith(key)) for key in lines}
    receiver = next(iter(lines.values()))["ShippingAddress"]
    expected: dict[str, Any] = {"a": 2, "b": 2, "gift": 1, **PEOPLE}
    for name, value in written.items():
        if name in {"City", "Street1"}:
            address = receiver if name == "City" else stored["BillingAddress"]
            assert address[name] == value
        elif name in expected or name == "c":
            expected[name] = value
        else:
            assert stored[name] == value
    assert stored["Comments"] == expected["Comments"]
    assert stored["ShippingCost"] == expected["ShippingCost"]
    assert stored["xp"]["Courier"] == "Hermes"
    if "billing_address" not in change:
        assert stored["BillingAddress"]["Street1"] == "Elsewhere 1"
    if "a" in lines and lines["a"]["ProductID"] == "mug":
        assert lines["a"]["ShippingAddress"]["Street1"] == "Corrected 1"
    if expected["a"] == "pot":
        assert lines["a"]["ProductID"] == "pot"
        expected["a"] = 2
    assert goods == {key: expected[key] for key in ("a", "b", "c", "gift") if expected.get(key) is not None}
    assert submitted(box, reference) == 1

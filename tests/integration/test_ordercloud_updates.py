"""The OrderCloud target against the simulator: changed and cancelled orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.changes import Changes
from support.ordercloud_target import (
    DELFT,
    MUG,
    POT,
    REFERENCES,
    assert_same_order,
    cloud_order,
    create_with_retries,
    simulated_ordercloud,
    stored_order,
    submitted,
    target_factory,
)
from worker.errors import Rejected, RetryableError
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
    assert {**again, "LastUpdated": None} == {**stored, "LastUpdated": None}
    assert submitted(box, reference) == 1
    with pytest.raises(Rejected, match="is not there any more"):
        target.update(CHANGED, "never", "never", Changes.all(CHANGED))


@pytest.mark.parametrize("kind", ["cut_after", "500_before"])
@pytest.mark.parametrize("step", range(9))
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
    with pytest.raises(Rejected, match="is cancelled there, and cannot be opened again"):
        target.update(cloud_order(), reference, reference, Changes.all(cloud_order()))
    assert target.create(cloud_order(), reference) == Receipt(reference, existed=True)


def test_a_refused_cancellation_is_rejected_with_the_reason(cloud: Callable[..., OrderCloud]) -> None:
    target, reference = cloud("final", product_map={"MUG": "mug", "TEA": "tea"}), next(REFERENCES)
    target.create(cloud_order(currency="USD"), reference)
    cancelled = cloud_order(currency="USD", status="cancelled")
    with pytest.raises(Rejected, match=r"/cancel: status 400: Order\.CannotCancelInCurrentStatus$") as caught:
        target.change(cancelled, reference, reference, Changes.all(cancelled))
    assert caught.value.fields["Errors"]


@pytest.mark.parametrize("step", range(8))
def test_an_order_cancelled_before_its_creation_ends_cancelled(
    box: Sandbox, cloud: Callable[..., OrderCloud], step: int
) -> None:
    reference, order = next(REFERENCES), cloud_order(status="cancelled")
    box.fault(f"ordercloud:*:cut_after:skip={step}:times=1")
    create_with_retries(cloud, order, reference)
    assert stored_order(box, reference)["Status"] == "Canceled"
    assert submitted(box, reference) == 1

"""OrderCloud as a target against the simulated one: orders that change, and orders that are cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.ordercloud_target import DELFT, MUG, POT, REFERENCES, carry, is_as, one, running, submitted, targets, there
from worker.errors import Rejected, RetryableError
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.sandbox import Sandbox
    from worker.systems.ordercloud.target import OrderCloud

CHANGED = one(
    lines=[{**MUG, "quantity": "5", "discount": "0"}, {**POT, "id": "b"}],
    note="Do not ring",
    totals={"shipping": "0", "tax": "1"},
    shipping_address={**DELFT, "street1": "Voorstraat 1"},
    billing_address={**DELFT, "street1": "Postbus 6"},
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with running() as box:
        yield box


@pytest.fixture
def cloud(box: Sandbox) -> Iterator[Callable[..., OrderCloud]]:
    with targets(box) as make:
        yield make


def test_an_update_writes_over_what_is_ours_and_leaves_what_is_theirs(
    box: Sandbox, cloud: Callable[..., OrderCloud]
) -> None:
    target, reference = cloud(), next(REFERENCES)
    target.create(one(), reference)
    box.change(reference, "ordercloud", xp=there(box, reference)["xp"] | {"Warehouse": "north"})
    target.update(CHANGED, reference, reference)
    found = there(box, reference)
    is_as(found, CHANGED)
    assert found["xp"]["Warehouse"] == "north"
    cloud(user_id="another").update(CHANGED, reference, "")
    again = there(box, reference)
    assert {**again, "LastUpdated": None} == {**found, "LastUpdated": None}
    assert submitted(box, reference) == 1
    with pytest.raises(Rejected, match="is not there any more"):
        target.update(CHANGED, "never", "never")


@pytest.mark.parametrize("kind", ["cut_after", "500_before"])
@pytest.mark.parametrize("step", range(9))
def test_an_update_that_broke_off_anywhere_is_said_again(
    box: Sandbox, cloud: Callable[..., OrderCloud], step: int, kind: str
) -> None:
    reference = next(REFERENCES)
    cloud().create(one(), reference)
    box.fault(f"ordercloud:*:{kind}:skip={step}:times=1")
    with pytest.raises(RetryableError):
        cloud().update(CHANGED, reference, reference)
    cloud().update(CHANGED, reference, reference)
    is_as(there(box, reference), CHANGED)
    assert submitted(box, reference) == 1


def test_a_cancelled_order_is_cancelled_once_and_not_opened_again(
    box: Sandbox, cloud: Callable[..., OrderCloud]
) -> None:
    target, reference = cloud(), next(REFERENCES)
    target.create(one(), reference)
    cancelled = one(status="cancelled", lines=[{**MUG, "sku": "not in the map"}])
    box.fault("ordercloud:cancel:cut_after:times=1")
    with pytest.raises(RetryableError):
        target.update(cancelled, reference, reference)
    target.update(cancelled, reference, reference)
    assert there(box, reference)["Status"] == "Canceled"
    with pytest.raises(Rejected, match="is cancelled there, and cannot be opened again"):
        target.update(one(), reference, reference)
    assert target.create(one(), reference) == Receipt(reference, existed=True)


def test_an_order_that_cannot_be_cancelled_any_more_says_so(cloud: Callable[..., OrderCloud]) -> None:
    target, reference = cloud("final", product_map={"MUG": "mug", "TEA": "tea"}), next(REFERENCES)
    target.create(one(currency="USD"), reference)
    with pytest.raises(Rejected, match=r"/cancel: status 400: Order\.CannotCancelInCurrentStatus$") as caught:
        target.update(one(currency="USD", status="cancelled"), reference, reference)
    assert caught.value.fields["Errors"]


@pytest.mark.parametrize("step", range(8))
def test_an_order_that_comes_cancelled_ends_cancelled(
    box: Sandbox, cloud: Callable[..., OrderCloud], step: int
) -> None:
    reference, order = next(REFERENCES), one(status="cancelled")
    box.fault(f"ordercloud:*:cut_after:skip={step}:times=1")
    carry(cloud, order, reference)
    assert there(box, reference)["Status"] == "Canceled"
    assert submitted(box, reference) == 1

"""The OrderCloud target against the simulator: an order is submitted once, whichever of its calls fails."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from schemas.changes import Changes
from support.http_server import Request, Server, reply
from support.ordercloud_target import (
    DELFT,
    MUG,
    OPTIONS,
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
from worker.errors import AuthFailed, Held, Misdirected, PermanentError, RetryableError, TargetDown
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.ordercloud.target import OrderCloud, OrderCloudOptions
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.sandbox import Sandbox

#: The calls of a creation: token, order, two lines, two addresses, submit.
CALLS = 7
LOST = ["cut_after", "500_after", "html_after", "503_after", "cut_before", "500_before", "401_before"]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with simulated_ordercloud() as box:
        yield box


@pytest.fixture
def cloud(box: Sandbox) -> Iterator[Callable[..., OrderCloud]]:
    with target_factory(box) as make:
        yield make


def test_an_order_is_created_completely_found_and_not_created_again(
    box: Sandbox, cloud: Callable[..., OrderCloud]
) -> None:
    for account, status in (("main", "Open"), ("other", "AwaitingApproval")):
        target, reference = cloud(account), next(REFERENCES)
        target.check()
        assert target.find(reference) is None
        assert target.create(cloud_order(), reference) == Receipt(reference)
        stored = stored_order(box, reference, account)
        assert stored["Status"] == status
        assert_same_order(stored, cloud_order())
        assert stored["xp"]["Intake"]["Order"] == "shop:1"
        assert target.find(reference) == target.create(cloud_order(), reference) == Receipt(reference, existed=True)
        assert stored_order(box, reference, account) == stored


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("step", range(CALLS))
def test_an_order_is_submitted_once_whichever_call_fails(
    box: Sandbox, cloud: Callable[..., OrderCloud], step: int, kind: str
) -> None:
    reference = next(REFERENCES)
    box.fault(f"ordercloud:*:{kind}:skip={step}:times=1")
    create_with_retries(cloud, cloud_order(), reference)
    assert_same_order(stored_order(box, reference), cloud_order())
    assert submitted(box, reference) == 1


def test_orders_are_submitted_once_when_calls_fail_at_random(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    for kind in LOST:
        box.fault(f"ordercloud:*:{kind}:rate=0.02")
    references = [next(REFERENCES) for _ in range(20)]
    for reference in references:
        create_with_retries(cloud, cloud_order(), reference)
    for reference in references:
        assert_same_order(stored_order(box, reference), cloud_order())
        assert submitted(box, reference) == 1


@pytest.mark.parametrize("step", range(2, CALLS))
def test_an_order_that_changed_before_its_submission_is_submitted_with_its_current_content(
    box: Sandbox, cloud: Callable[..., OrderCloud], step: int
) -> None:
    reference = next(REFERENCES)
    box.fault(f"ordercloud:*:500_before:skip={step}:times=1")
    with pytest.raises(RetryableError):
        cloud().create(cloud_order(), reference)
    changed = cloud_order(
        lines=[{**MUG, "quantity": "3"}, {**POT, "id": "b"}],
        note=None,
        totals={"shipping": "0"},
        shipping_address={**DELFT, "street1": "Voorstraat 1"},
    )
    assert create_with_retries(cloud, changed, reference) == Receipt(reference)
    stored = stored_order(box, reference)
    assert_same_order(stored, changed)
    assert submitted(box, reference) == 1


def _same(target: OrderCloud) -> OrderCloud:
    return target


def test_two_concurrent_workers_create_one_order(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    for _ in range(10):
        reference = next(REFERENCES)
        workers = [cloud(), cloud()]
        with ThreadPoolExecutor(2) as pool:
            tries = [
                pool.submit(create_with_retries, partial(_same, target), cloud_order(), reference) for target in workers
            ]
        assert {task.result().target_id for task in tries} == {reference}
        assert_same_order(stored_order(box, reference), cloud_order())
        assert submitted(box, reference) == 1


def test_a_foreign_order_with_the_same_id_is_left_unchanged(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    for xp in ({}, {"Intake": {"Order": "elsewhere:1"}}):
        reference = next(REFERENCES)
        box.add_order({"ID": reference, "xp": xp}, "ordercloud")
        before = stored_order(box, reference)
        for call in (
            lambda key=reference: cloud().create(cloud_order(), key),
            lambda key=reference: cloud().update(cloud_order(), key, key, Changes.all(cloud_order())),
        ):
            with pytest.raises(Held, match=r"another order has this id there: .*intake release main shop:1 --drop"):
                call()
        assert stored_order(box, reference) == before
    ours = next(REFERENCES)
    cloud().create(cloud_order(), ours)
    found = cloud().find(ours)
    assert found is not None
    cloud().recognize(cloud_order(), ours, found, changed=False)
    with pytest.raises(Held, match="another order has this id there"):
        cloud().recognize(cloud_order(external_id="2"), ours, found, changed=True)


def test_a_line_without_a_product_is_held_before_anything_is_sent(
    box: Sandbox, cloud: Callable[..., OrderCloud]
) -> None:
    reference = next(REFERENCES)
    order = cloud_order(lines=[MUG, {**TEA, "sku": "CUP"}])
    held = r"for 1 sku: CUP \(line 2\): add them to targets\.main\.product_map .*reload Intake.*: intake release main"
    with pytest.raises(Held, match=held):
        cloud().create(order, reference)
    assert reference not in {order["ID"] for order in box.orders("ordercloud")}


def test_all_skus_without_a_product_are_named_at_once(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    reference = next(REFERENCES)
    lines = [{**TEA, "sku": "CUP"}, MUG, {**TEA, "sku": "VASE"}, {**MUG, "sku": "CUP", "id": "9"}]
    with pytest.raises(Held, match=r"no product is known for 2 skus: CUP \(lines 1, 4\), VASE \(line 3\): add them"):
        cloud().create(cloud_order(lines=lines), reference)
    with pytest.raises(Held, match="lines 1, 2: quantity: OrderCloud accepts only whole quantities of 1 or more"):
        cloud().create(cloud_order(lines=[{**MUG, "quantity": "0.5"}, {**TEA, "quantity": "0.5"}]), reference)
    with pytest.raises(Held, match="lines 1, 2: no sku"):
        cloud().create(cloud_order(lines=[{**MUG, "sku": None}, {**TEA, "sku": None}]), reference)
    wrong = {"MUG": "jug", "TEA": "coffee"}
    with pytest.raises(
        Held, match=r"sku MUG: the product jug .*; line 2, sku TEA: the product coffee .*: add it there"
    ):
        cloud(product_map=wrong).create(cloud_order(), reference)
    assert cloud().create(cloud_order(), reference) == Receipt(reference)
    assert_same_order(stored_order(box, reference), cloud_order())


@pytest.mark.parametrize(("account", "code"), [("main", "NotFound"), ("other", "ProductNotAvailableFromSeller")])
def test_an_order_with_an_unknown_product_is_held_and_completed_later(
    box: Sandbox, cloud: Callable[..., OrderCloud], account: str, code: str
) -> None:
    reference = next(REFERENCES)
    wrong = {"MUG": "mug", "TEA": "coffee"}
    with pytest.raises(Held, match=rf"line 2, sku TEA: the product coffee is not there.*{code}.*intake release"):
        cloud(account, product_map=wrong).create(cloud_order(), reference)
    assert stored_order(box, reference, account)["Status"] == "Unsubmitted"
    assert cloud(account).find(reference) is None
    assert cloud(account).create(cloud_order(), reference) == Receipt(reference)
    assert_same_order(stored_order(box, reference, account), cloud_order())


def test_skus_can_be_used_as_product_ids(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    reference = next(REFERENCES)
    lines = [{**MUG, "sku": "mug"}, TEA]
    cloud(products="sku", product_map={"TEA": "tea"}).create(cloud_order(lines=lines), reference)
    assert {line["ProductID"] for line in stored_order(box, reference)["LineItems"]} == {"mug", "tea"}


def test_with_the_prices_of_the_target_no_amount_is_sent_and_no_extra_role_requested(
    box: Sandbox, cloud: Callable[..., OrderCloud]
) -> None:
    reference = next(REFERENCES)
    target = cloud("dollars", prices="theirs")
    target.create(cloud_order(), reference)
    stored = stored_order(box, reference, "dollars")
    assert not any(line["PriceOverridden"] for line in stored["LineItems"])
    assert not stored["ShippingCost"]
    assert not stored["TaxCost"]
    assert OrderCloudOptions.model_validate(OPTIONS | {"prices": "theirs"}).roles == "OrderAdmin"


def test_prices_are_not_sent_to_a_user_with_another_currency(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    reference = next(REFERENCES)
    with pytest.raises(Held, match=r"the order is in EUR, and the user of targets\.dollars is not"):
        cloud("dollars").create(cloud_order(), reference)
    assert stored_order(box, reference, "dollars")["Status"] == "Unsubmitted"


def test_an_order_started_for_another_user_is_held(cloud: Callable[..., OrderCloud], box: Sandbox) -> None:
    reference = next(REFERENCES)
    box.fault("ordercloud:submit:500_before:times=1")
    with pytest.raises(RetryableError):
        cloud(user_id="nobody").create(cloud_order(), reference)
    with pytest.raises(Held, match=r"another buyer or user.*delete it there, then: intake release main"):
        cloud().create(cloud_order(), reference)


def test_a_revoked_token_is_replaced_during_a_creation(box: Sandbox, cloud: Callable[..., OrderCloud]) -> None:
    target, reference = cloud("short"), next(REFERENCES)
    target.create(cloud_order(), reference)
    target.create(cloud_order(), reference)
    assert_same_order(stored_order(box, reference, "short"), cloud_order())


def test_missing_roles_and_wrong_credentials_raise_auth_failed_with_the_reason(
    cloud: Callable[..., OrderCloud],
) -> None:
    with pytest.raises(AuthFailed, match=r"status 403: Auth\.InsufficientRoles, FullAccess, OrderAdmin$"):
        cloud("reader").create(cloud_order(), next(REFERENCES))
    for account, status in (("main", 400), ("other", 401)):
        with pytest.raises(AuthFailed, match=rf"POST /oauth/token: status {status}: Auth\.OauthError, invalid_client$"):
            cloud(account, client_secret="wrong").check()
    with pytest.raises(Misdirected, match="POST /oauth/token: status 404"):
        cloud("nobody").find("x")


def test_a_404_without_a_code_of_ordercloud_proves_nothing() -> None:
    """Otherwise a proxy would make an order absent, and its cancellation done."""

    def answer(request: Request) -> bytes:
        token = request.target == "/oauth/token"
        return reply(body=b'{"access_token": "T"}') if token else reply(404, b'{"message": "no Route matched"}')

    server = Server(answer)
    client = Client(server.url, gate=Open(), headers={})
    try:
        target = OrderCloud("main", OrderCloudOptions.model_validate(OPTIONS), client)
        with pytest.raises(Misdirected):
            target.find("x")
        with pytest.raises(Misdirected):
            target.cancel(cloud_order(), "x", "")
    finally:
        client.close()
        server.close()


def test_a_new_token_is_requested_after_a_refusal() -> None:
    """The roles are part of the token: the old token would be refused until it expires."""

    def answer(request: Request) -> bytes:
        if request.target == "/oauth/token":
            tokens.append(f"T{len(tokens)}")
            return reply(body=json.dumps({"access_token": tokens[-1]}).encode())
        good = request.headers["authorization"] == "Bearer T1"
        return reply(404, b'{"Errors": [{"ErrorCode": "NotFound"}]}') if good else reply(403)

    tokens: list[str] = []
    server = Server(answer)
    client = Client(server.url, gate=Open(), headers={})
    try:
        target = OrderCloud("main", OrderCloudOptions.model_validate(OPTIONS), client)
        with pytest.raises(AuthFailed):
            target.find("x")
        assert target.find("x") is None
        assert tokens == ["T0", "T1"]
    finally:
        client.close()
        server.close()


@pytest.mark.parametrize("status", [400, 500, 503])
def test_maintenance_is_not_a_permanent_error(box: Sandbox, cloud: Callable[..., OrderCloud], status: int) -> None:
    box.fault(f"ordercloud:create:{status}_before:times=1:code=Api.Offline")
    with pytest.raises((TargetDown, RetryableError)) as caught:
        cloud().create(cloud_order(), next(REFERENCES))
    assert not isinstance(caught.value, PermanentError)


def test_an_incoming_order_requires_a_buyer_and_a_user() -> None:
    with pytest.raises(ValueError, match="needs both buyer_id and user_id"):
        OrderCloudOptions.model_validate(OPTIONS | {"user_id": None})
    OrderCloudOptions.model_validate(OPTIONS | {"direction": "Outgoing", "user_id": None, "buyer_id": None})

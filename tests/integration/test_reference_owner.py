"""A reference belongs to one order of a target: the second order that would get it is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.poll
from support.fake_runtime import Bulky, FakeRuntime, Shop, Warehouse
from support.settings_texts import dropday, retailcrm, route
from support.steps import references, restart
from tasks.release import release
from worker.errors import ConfigError
from worker.settings.routes import Route
from worker.store.orders.stuck import Stuck

if TYPE_CHECKING:
    from redis import Redis

    from support.settings_texts import Configured

SHARED = "{source_id}"
A = {"id": 1, "source_id": "777"}
B = {"id": 2, "source_id": "777"}


def start(redis: Redis, warehouse: Warehouse, *records: dict[str, Any], reference: str = SHARED) -> FakeRuntime:
    routes = (Route(source="shop", targets=("t",), reference=reference),)
    rt = FakeRuntime(redis, Shop([[each] for each in records]), warehouse, routes=routes)
    restart(rt)
    return rt


def run(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)
    tasks.deliver.deliver(rt, "t", rt.nudge)


@pytest.mark.parametrize("kind", [Warehouse, Bulky])
@pytest.mark.parametrize("before", [(A,), ()])
def test_the_second_order_of_a_reference_is_held_with_both_keys_named(
    redis: Redis, kind: type[Warehouse], before: tuple[dict[str, Any], ...]
) -> None:
    target = kind()
    if before:
        run(start(redis, target, *before))
    rt = start(redis, target, A, B)
    run(rt)
    record = rt.state("2")
    assert (record["state"], record["code"]) == ("held", "reference")
    assert "shop:1" in record["detail"]
    assert "shop:2" in record["detail"]
    assert rt.state("1")["state"] == "delivered"
    assert references(target) == ["777"]


def test_a_held_order_is_never_sent_under_the_reference_of_another(redis: Redis) -> None:
    target = Bulky()
    rt = start(redis, target, A, B)
    run(rt)
    assert release(rt, "t", ["shop:2"], "send") == 0
    run(start(redis, target, A, {**B, "note": "changed at its source"}))
    assert rt.state("2")["state"] == "held"
    assert release(rt, "t", ["shop:2"], "drop") == 1
    Stuck(redis, "t").move("replay", ["shop:2"])
    run(rt)
    assert (rt.state("2")["state"], references(target)) == ("held", ["777"])


def test_a_held_order_is_sent_once_its_reference_is_its_own(redis: Redis) -> None:
    target = Warehouse()
    run(start(redis, target, A, B))
    rt = start(redis, target, A, B, reference="{provider}:{external_id}")
    assert release(rt, "t", ["shop:2"], "send") == 1
    run(rt)
    assert references(target) == ["777", "shop:2"]
    assert rt.state("1")["reference"] == "777"


def test_a_reference_of_a_former_template_has_an_owner_too(redis: Redis) -> None:
    target = Warehouse()
    run(start(redis, target, {"id": 777, "source_id": "x"}, reference="{external_id}"))
    rt = start(redis, target, A)
    run(rt)
    assert (rt.state("1")["code"], references(target)) == ("reference", ["777"])
    assert "shop:777" in rt.state("1")["detail"]


def test_a_reference_that_no_other_order_can_have_is_not_noted(redis: Redis) -> None:
    run(start(redis, Warehouse(), A, B, reference="{provider}:{external_id}"))
    assert redis.keys("intake:references:*") == []


def settings_with(reference: str, **shop: str) -> str:
    return retailcrm("providers.shop", **shop) + dropday("targets.t") + route("shop", "t", reference=reference)


@pytest.mark.parametrize("reference", ["{source_id}", "{provider}:{source_id}", "{source_id}-{display_id}"])
def test_a_reference_that_two_sites_could_share_is_refused_at_the_start(configured: Configured, reference: str) -> None:
    with pytest.raises(ConfigError, match="unique within one site"):
        configured.open(settings_with(reference))
    configured.open(settings_with(reference, site="toys"))


@pytest.mark.parametrize("reference", ["{store}:{source_id}", "{external_id}"])
def test_a_reference_that_tells_two_sites_apart_is_not_refused(configured: Configured, reference: str) -> None:
    configured.open(settings_with(reference))

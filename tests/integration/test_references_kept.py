"""A changed reference template: orders keep the reference that they were created with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.doubt
import tasks.poll
from support.fake_runtime import Bulky, Editable, FakeRuntime, Shop, Slow, Warehouse
from support.reconciliation import is_clean, reconcile_pair
from support.redis_text import make_due
from support.steps import references, restart
from worker.errors import Uncertain
from worker.reconcile.repair import requeue
from worker.settings.routes import Route

if TYPE_CHECKING:
    from redis import Redis

    from support.pipeline import MakePipeline

#: When the orders were placed: before any template was changed.
PLACED: dict[str, Any] = {"ordered_at": "2026-01-02T03:04:05Z"}
OLD, NEW = "{external_id}", "{provider}:{external_id}"


def start(redis: Redis, warehouse: Warehouse, template: str, *records: dict[str, Any], **route: Any) -> FakeRuntime:
    """Return the runtime of processes that were started with this reference; its provider has one page."""
    routes = (Route(source="shop", targets=("t",), reference=template, **route),)
    rt = FakeRuntime(redis, Shop([[PLACED | each for each in records]]), warehouse, routes=routes)
    restart(rt)
    return rt


def run(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    make_due(rt.redis, rt.lanes["t"])
    rt.redis.hdel(rt.lanes["t"].keys.lane, "closed_until", "failures")
    tasks.deliver.deliver(rt, "t", rt.nudge)


def test_a_delivered_order_is_updated_under_the_reference_that_it_was_created_with(redis: Redis) -> None:
    target = Editable()
    run(start(redis, target, OLD, {"id": 1}))
    run(start(redis, target, NEW, {"id": 1, "note": "changed"}, {"id": 2}))
    assert references(target) == ["1", "shop:2"]
    assert [update[0] for update in target.updated] == ["1"]


@pytest.mark.parametrize("trouble", [None, Uncertain("no response")])
def test_a_waiting_order_is_created_under_the_reference_that_it_was_accepted_with(
    redis: Redis, trouble: Exception | None
) -> None:
    target = Warehouse()
    target.after = [trouble]
    before = start(redis, target, OLD, {"id": 1})
    tasks.poll.poll(before, "shop", before.nudge)
    if trouble:
        tasks.deliver.deliver(before, "t", before.nudge)
    run(start(redis, target, NEW, {"id": 1}))
    assert references(target) == ["1"]


@pytest.mark.parametrize("kind", [Warehouse, Bulky])
@pytest.mark.parametrize("registry", ["lost", "there"])
def test_an_order_that_the_ledger_does_not_know_is_searched_for_by_the_former_templates(
    redis: Redis, kind: type[Warehouse], registry: str
) -> None:
    target = kind()
    run(start(redis, target, OLD, {"id": 1}))
    if registry == "lost":
        redis.flushall()
    else:
        redis.delete(*redis.keys("intake:archive:*"), *redis.keys("intake:lane:*"))
    rt = start(redis, target, NEW, {"id": 1}, {"id": 2}, formerly=() if registry == "there" else (OLD,))
    run(rt)
    assert references(target) == ["1", "shop:2"]
    assert rt.state("1")["reference"] == "1"
    assert rt.state("2")["reference"] == "shop:2"


def test_an_order_placed_after_the_change_is_not_searched_for(redis: Redis) -> None:
    target = Bulky()
    start(redis, target, OLD)
    rt = start(redis, target, NEW, {"id": 1, "ordered_at": datetime(2099, 1, 1, tzinfo=UTC)})
    run(rt)
    assert (references(target), target.finds) == (["shop:1"], 0)


def test_an_order_in_doubt_is_found_under_its_former_reference(redis: Redis) -> None:
    target = Slow()
    run(start(redis, target, OLD))
    rt = start(redis, target, NEW, {"id": 1})
    target.trouble = [Uncertain("no response")] * 99
    tasks.poll.poll(rt, "shop", rt.nudge)
    for _ in range(4):
        run(rt)
    assert rt.lanes["t"].status()["in_doubt_now"] == 1
    target.trouble = []
    target._create(rt.providers["shop"].normalize(rt.shop.fetch("0").records[0]), "1")
    rt.redis.zadd(rt.lanes["t"].keys.doubt, {"shop:1": 0})
    tasks.doubt.settle_doubts(rt, "t")
    assert (rt.state("1")["state"], rt.state("1")["reference"]) == ("delivered", "1")


def test_an_order_that_we_created_is_an_echo_after_its_reference_was_changed(redis: Redis) -> None:
    class Mirror(Shop):
        reference_field = "source_id"

    warehouse = Warehouse()

    def mirrored(template: str) -> FakeRuntime[Mirror, Warehouse]:
        routes = (Route(source="shop", targets=("t",)), Route(source="wh", targets=("m",), reference=template))
        rt = FakeRuntime(
            redis, Mirror([[{"id": 1, "source_id": "wh-7"}]]), warehouse, routes=routes, mirrored={"m": Warehouse()}
        )
        rt.installation.confirm()
        rt.settings = rt.installation.settings
        return rt

    mirrored("wh-{external_id}")
    rt = mirrored("of-{provider}-{external_id}")
    assert rt.is_echo(rt.shop.normalize(rt.shop.fetch("0").records[0]))


def test_a_repair_after_a_changed_reference_creates_nothing_again(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(12, limits=["retailcrm=off"]).open()
    pipeline.rt.installation.confirm()
    pipeline.poll()
    pipeline.deliver_all()
    created = pipeline.created()
    pipeline.open(route=f'reference = "{NEW}"').rt.installation.confirm()
    assert is_clean(reconcile_pair(pipeline.rt, "dropday", repair=requeue))
    pipeline.rt.redis.delete(*pipeline.rt.redis.keys("intake:archive:*"))
    assert is_clean(reconcile_pair(pipeline.rt, "dropday", repair=requeue)), "those that the ledger does not know"
    pipeline.deliver_all()
    assert pipeline.created() == created

"""Every surface shows the same figures and the same alarms: `status`, `metrics`, `health`, `check` and the watch."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.command_line import intake
from support.orders import order
from support.settings_texts import SHOP_TO_DROPDAY, table
from worker.store.health.alarms import AlarmState
from worker.store.letters import Letter
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.watch.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.settings_texts import Configured
    from worker.runtime import Runtime

ALARMS = table("alarms", every="1ms", grace="1ms", oldest="10m", dead=2, memory=0.6)
LIMIT = "dropday:dropday"
#: Figures that `status --json` and the metrics both show: the path in the document and the name of the metric.
FIGURES = [
    ("lanes dropday oldest_s", "intake_lane_oldest_seconds[dropday]"),
    ("lanes dropday queued", "intake_lane_queued[dropday]"),
    ("lanes dropday in_flight", "intake_lane_in_flight[dropday]"),
    ("lanes dropday drains", "intake_lane_drains[dropday]"),
    ("lanes dropday dead_now", "intake_lane_dead[dropday]"),
    ("lanes dropday in_doubt_now", "intake_lane_in_doubt[dropday]"),
    ("lanes dropday held_now", "intake_lane_held[dropday]"),
    ("lanes dropday failures", "intake_lane_failures[dropday]"),
    ("lanes dropday paused", "intake_lane_paused[dropday]"),
    ("lanes dropday accepted_new", "intake_orders_accepted_total[new][dropday]"),
    ("lanes dropday delivered", "intake_orders_settled_total[delivered][dropday]"),
    ("providers shop last_success_s", "intake_provider_last_success_timestamp_seconds[shop]"),
    ("providers shop failures", "intake_provider_failures[shop]"),
    ("providers shop paused", "intake_provider_paused[shop]"),
    ("providers shop malformed", "intake_provider_unreadable[shop]"),
    ("providers shop hints", "intake_provider_hints_waiting[shop]"),
    ("providers shop records", "intake_provider_records_total[shop]"),
    (f"limits {LIMIT} closed_s", f"intake_limit_closed_seconds[{LIMIT}]"),
    ("inbox waiting", "intake_inbox_waiting"),
    ("inbox taken", "intake_inbox_taken"),
    ("inbox takers", "intake_inbox_takers"),
    ("inbox dead_now", "intake_inbox_dead"),
    ("redis used", "intake_redis_memory_bytes"),
    ("redis limit", "intake_redis_memory_max_bytes"),
    ("redis last_write_ok", "intake_redis_writes"),
]


@pytest.fixture
def rt(configured: Configured) -> Iterator[Runtime]:
    rt = configured.open(ALARMS + SHOP_TO_DROPDAY)
    rt.ledger.epoch()
    for sign in ("did sweep", "beat", "took", "worker worker@a", "upkeep upkeep@a"):
        rt.signs.give(sign)
    rt.redis.hset("intake:cursor:shop", mapping=dict.fromkeys(("started", "moved", "finished"), rt.cursors.now()))
    yield rt
    rt.redis.config_set("maxmemory", 0)


def put(rt: Runtime, count: int, outcome: Outcome | None = None, age: float = 0.0) -> None:
    """Accept `count` orders as of `age` seconds ago; settle them if there is an outcome."""
    first = int(rt.redis.hget("intake:lane:dropday", "accepted_new") or 0)
    ids = [str(number) for number in range(first, first + count)]
    rt.ledger.accept("dropday", [Delivery(order(name), name) for name in ids], "poll shop")
    for name in ids:
        rt.redis.hincrby(f"intake:order:dropday:shop:{name}", "seen", -int(age * 1000))
    if outcome is not None:
        with rt.lanes["dropday"].drain() as drain:
            drain.settle([(claim, outcome) for claim in drain.claim(count)])
            drain.leave()
    rt.lanes["dropday"].sweep()


def calm(_: Runtime) -> None:
    """Leave everything in order, so that nothing needs an operator."""


def retried(rt: Runtime) -> None:
    put(rt, 1, Outcome("retry", "unavailable", "status 503", delay=30), age=4.5)


def retried_for_an_hour(rt: Runtime) -> None:
    put(rt, 2, Outcome("retry", "unavailable", "status 503", delay=240), age=3600)


def due_and_not_taken(rt: Runtime) -> None:
    put(rt, 1)
    rt.redis.zadd("intake:lane:dropday:due", {"shop:0": rt.cursors.now() - 500_000})


def in_flight(rt: Runtime) -> None:
    put(rt, 5)
    drain = rt.lanes["dropday"].drain()
    assert len(drain.claim(3)) == 3


def stuck(rt: Runtime) -> None:
    for outcome in (Outcome("bury", "rejected", "city"), Outcome("doubt", "?"), Outcome("hold", "held", "no product")):
        put(rt, 3, outcome)
    put(rt, 2, Outcome("delivered", extra="98"))


def one_dead_is_below_its_threshold(rt: Runtime) -> None:
    put(rt, 1, Outcome("bury", "rejected", "city"))


def bulk(rt: Runtime) -> None:
    rt.ledger.accept("dropday", [Delivery(order("1"), "1")], "backfill shop")


def paused(rt: Runtime) -> None:
    rt.cursors.pause("shop", "status 403")
    rt.lanes["dropday"].pause("stocktaking", 3600)


def failing(rt: Runtime) -> None:
    rt.cursors.note_failure("shop", "unavailable: connection refused", 90)
    rt.cursors.bury("shop", "9", {"id": 9}, "items[0].quantity", "not a number")
    rt.fetches.add("shop", ["8"])
    rt.redis.hset("intake:lane:dropday", mapping={"failures": 12, "closed_until": rt.cursors.now() + 30_000})
    rt.scopes[LIMIT].close(30.0)


def walking(rt: Runtime) -> None:
    now = rt.cursors.now()
    rt.redis.hdel("intake:cursor:shop", "finished")
    rt.redis.hset("intake:cursor:shop", mapping={"moved": now - 20_000, "started": now - 40_000, "records": 70})


def inbox_without_a_taker(rt: Runtime) -> None:
    rt.inbox.push(["{}", "{}"])
    rt.inbox.add_letters([Letter("schema", "no provider", b"{}", 2)])


def processes_silent(rt: Runtime) -> None:
    rt.redis.zadd("intake:signs", dict.fromkeys(("did sweep", "worker worker@a"), rt.cursors.now() - 120_000))


def worker_silent(rt: Runtime) -> None:
    rt.redis.zadd("intake:signs", {"worker worker@a": rt.cursors.now() - 120_000})


def redis_nearly_full(rt: Runtime) -> None:
    rt.redis.config_set("maxmemory", int(rt.redis.info("memory")["used_memory"] / 0.65))


def reconciled(rt: Runtime) -> None:
    rt.reports.save("shop", "dropday", {"source": 9, "missing": 2})


STATES = [
    calm, retried, retried_for_an_hour, due_and_not_taken, in_flight, stuck, one_dead_is_below_its_threshold,
    bulk, paused, failing, walking, inbox_without_a_taker, processes_silent, worker_silent, redis_nearly_full,
    reconciled,
]  # fmt: skip


def metrics() -> dict[str, float]:
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(intake("metrics", "--once").output)
        for sample in family.samples
    }


def shown(document: dict[str, Any], path: str) -> float:
    """Return a figure of `status --json` in the form of its metric: a missing counter as 0, an age as a time."""
    part: Any = document
    for name in path.split():
        part = part.get(name)
        if part is None:
            return 0
    if path.endswith("last_success_s"):
        return float(document["at"]) - float(part)
    return int(bool(part)) if path.endswith("paused") else float(part)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_every_surface_shows_the_same_figures(rt: Runtime, state: Callable[[Runtime], None]) -> None:
    state(rt)
    document, exposed = json.loads(intake("status", "--json").output), metrics()
    for path, metric in FIGURES:
        tolerance = 100_000 if path == "redis used" else 2 if path.endswith("_s") else 0
        assert shown(document, path) == pytest.approx(exposed[metric], abs=tolerance), path


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_every_surface_shows_the_same_alarms(rt: Runtime, state: Callable[[Runtime], None]) -> None:
    state(rt)
    watch = Watch(rt)
    time.sleep(0.01)
    watch.look()
    raised = AlarmState(rt.redis).read_raised()
    document = json.loads(intake("status", "--json").output)
    assert {f"{alarm['name']} {alarm['subject']}" for alarm in document["alarms"]} == raised.keys()
    assert [name for name in metrics() if name.startswith("intake_alarm")] == [
        f"intake_alarm[{alarm['name']}][{alarm['subject']}]" for alarm in document["alarms"]
    ]
    remedies = [need["command"] for need in document["attention"]]
    assert remedies[: len(raised)] == [alarm["remedy"] for alarm in document["alarms"]]
    critical = [alarm for alarm in document["alarms"] if alarm["name"].endswith(("_silent", "_untaken"))]
    ready = intake("health", "--ready")
    assert ready.exit_code == bool(critical)
    assert all(alarm["remedy"] in ready.output for alarm in critical)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_check_warns_of_every_alarm_while_processes_run(rt: Runtime, state: Callable[[Runtime], None]) -> None:
    state(rt)
    alarms = json.loads(intake("status", "--json").output)["alarms"]
    findings = json.loads(intake("check", "--json").output)
    warned = {finding["remedy"] for finding in findings if finding["state"] == "warning"}
    if state is processes_silent:
        assert "intake up" in next(finding["remedy"] for finding in findings if finding["what"] == "processes")
        return
    expected = {alarm["remedy"] for alarm in alarms if alarm["name"] != "redis_full"}
    assert expected <= warned
    assert ("redis memory" in {finding["what"] for finding in findings}) == (state is redis_nearly_full)

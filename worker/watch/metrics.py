"""The metrics, counted in Redis at each scrape: no process has to live for a number to be right."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from worker.reconcile.report import FAULTS
from worker.store.health.signs import SWEPT, TOOK, UPKEEP, WORKER
from worker.store.redis.connection import ERRORS
from worker.watch.judgements import alarms, judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from worker.runtime import Runtime
    from worker.settings.load import Settings
    from worker.store.health.state import LaneState, Snapshot

#: The outcomes that lanes count, as `settle.lua` names them.
OUTCOMES: Final = (
    "delivered", "existed", "updated", "pending", "retried", "snoozed", "held", "in_doubt", "dead",
)  # fmt: skip
#: What the ledger makes of an order that comes (see `worker.store.orders.ledger.Accepted`).
RESULTS: Final = (
    "new", "same", "stale", "replaced", "revived", "withdrawn", "updating", "held", "changed", "unwanted",
)  # fmt: skip
#: Who was the first to tell of an order.
BY: Final = ("poll", "hint", "push")
#: The bounds of `settle.lua`, in seconds.
BOUNDS: Final = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
#: Seconds that a process is thought alive after its last sign of life.
_ALIVE: Final = 30.0
#: The gauges of a lane: the field of its state, and what it says.
_LANE: Final = {
    "queued": "Orders on the lane, due now or later.",
    "due": "Orders on the lane that may be sent now.",
    "in_flight": "Orders that a drain has claimed and not settled yet.",
    "drains": "Drains that take orders from the lane.",
    "dead": "Orders that were refused and wait for a person.",
    "in_doubt": "Orders that may be in the target and are not sent again.",
    "held": "Orders that wait for a person or a mapping.",
    "failures": "Calls to the target that failed in a row.",
}
_INBOX: Final = {
    "waiting": "Jobs in the inbox.",
    "taken": "Jobs that are being taken in.",
    "takers": "Processes that take jobs.",
}
_JOBS: Final = {"jobs": "Jobs that were taken.", "hints": "Jobs that were hints.", "bad": "Jobs that were refused."}


class RedisCollector(Collector):
    """What Prometheus scrapes. A Redis that is away is `intake_up 0` and nothing else: no old number is told as new."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: the accounts are known, their numbers are not."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics, from one look at Redis."""
        began = time.perf_counter()
        try:
            snapshot = take_snapshot(self._rt)
        except ERRORS:
            yield _gauge("up", "Whether Redis answers, and with it all other metrics are there.", 0)
            return
        yield _gauge("up", "Whether Redis answers, and with it all other metrics are there.", 1)
        yield from _engine(snapshot)
        yield from _alarms(snapshot, self._rt.settings)
        yield from _providers(snapshot, self._rt.settings)
        yield from _lanes(snapshot)
        yield from _limits(snapshot, self._rt)
        yield from _reports(snapshot)
        yield _gauge("scrape_seconds", "How long this look at Redis took.", time.perf_counter() - began)


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"intake_{name}", says, value)


#: `values`: by the values of the labels.
def _family(name: str, says: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"intake_{name}", says, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, says: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(f"intake_{name}", says, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _engine(snapshot: Snapshot) -> Iterator[Metric]:
    yield _family("build_info", "The version of the exporter.", ("version",), {(version("intake-orders"),): 1})
    yield _gauge("ledger_start_timestamp_seconds", "When this ledger began: later, if Redis was lost.", snapshot.began)
    signs = {"sweep": SWEPT, "worker": TOOK}
    yield _family(
        "last_sign_timestamp_seconds",
        "When a sweep was made, and when a worker took a message, for the last time.",
        ("what",),
        {(what,): snapshot.signs.get(sign, 0) for what, sign in signs.items()},
    )
    roles = [
        whose.partition(" ")[0] for whose, at in snapshot.signs.items() if " " in whose and snapshot.now - at < _ALIVE
    ]
    yield _family(
        "processes",
        "Celery processes that gave a sign of life within 30 seconds.",
        ("role",),
        {(role,): roles.count(role) for role in (WORKER, UPKEEP)},
    )
    queues = {(name,): count for name, count in snapshot.queues.items()}
    yield _family("queue_messages", "Nudges that wait in a Celery queue.", ("queue",), queues)
    for name, says in _INBOX.items():
        yield _gauge(f"inbox_{name}", says, snapshot.inbox.get(name, 0))
    yield _gauge(
        "inbox_dead", "Jobs that could not be taken in and wait for a person.", snapshot.inbox.get("dead_now", 0)
    )
    for name, says in _JOBS.items():
        yield _counter(f"inbox_{name}", says, (), {(): snapshot.inbox.get(name, 0)})
    if server := snapshot.server:
        yield _gauge("redis_memory_bytes", "Memory that Redis uses.", server.used)
        yield _gauge("redis_memory_max_bytes", "Memory that Redis may use; 0: no limit.", server.limit or 0)
        yield _gauge("redis_writes", "Whether Redis' last writes to its disk went well.", int(server.last_write_ok))


def _alarms(snapshot: Snapshot, settings: Settings) -> Iterator[Metric]:
    yield _family(
        "alarm",
        "1 for each alarm that is raised now; `intake status` has what to do.",
        ("name", "subject"),
        {(alarm.kind, alarm.subject): 1 for alarm in alarms(judge(snapshot, settings))},
    )


def _providers(snapshot: Snapshot, settings: Settings) -> Iterator[Metric]:
    one, it = ("provider",), snapshot.providers
    gauges: dict[str, tuple[str, dict[tuple[str], float]]] = {
        "last_success_timestamp_seconds": (
            "When a poll succeeded for the last time; 0: never.",
            {(name,): p.success or 0 for name, p in it.items()},
        ),
        "cursor_age_seconds": (
            "How long the cursor has its value.",
            {(name,): snapshot.now - p.turned for name, p in it.items() if p.turned},
        ),
        "poll_interval_seconds": (
            "How often it is polled.",
            {(name,): settings.providers[name].poll_every for name in it},
        ),
        "failures": ("Polls that failed in a row.", {(name,): p.failures for name, p in it.items()}),
        "paused": ("Whether it is paused.", {(name,): int(p.paused is not None) for name, p in it.items()}),
        "unreadable": ("Records that could not be read.", {(name,): p.malformed for name, p in it.items()}),
        "hints_waiting": ("Orders to be fetched one by one.", {(name,): p.hints for name, p in it.items()}),
        "missed_hooks": (
            "New orders in a row that the poll alone found.",
            {(name,): p.missed for name, p in it.items()},
        ),
    }
    for name, (says, values) in gauges.items():
        yield _family(f"provider_{name}", says, one, values)
    last = {(name, by): at for name, p in it.items() for by, at in p.arrived.items()}
    says = "When a new order came for the last time, by what told of it first."
    yield _family("provider_last_order_timestamp_seconds", says, ("provider", "by"), last)
    yield _counter(
        "provider_orders",
        "New orders, by what told of them first.",
        ("provider", "by"),
        {(name, by): p.arrivals.get(by, 0) for name, p in it.items() for by in BY},
    )
    records = {(name,): p.records for name, p in it.items()}
    yield _counter("provider_records", "Records that polls read, those read again included.", one, records)


def _lanes(snapshot: Snapshot) -> Iterator[Metric]:
    lanes = snapshot.lanes
    for name, says in _LANE.items():
        yield _family(f"lane_{name}", says, ("target",), {(t,): getattr(lane, name) for t, lane in lanes.items()})
    says = "How long the order that waits longest for its delivery does."
    yield _family("lane_oldest_seconds", says, ("target",), {(t,): lane.oldest for t, lane in lanes.items()})
    paused = {(t,): int(lane.paused is not None) for t, lane in lanes.items()}
    yield _family("lane_paused", "Whether it is paused.", ("target",), paused)
    yield _counter(
        "orders_accepted",
        "Orders that came, by what the ledger made of them.",
        ("target", "result"),
        {(t, name): lane.fields.get(f"accepted_{name}", 0) for t, lane in lanes.items() for name in RESULTS},
    )
    yield _counter(
        "orders_settled",
        "What became of orders that were taken in hand, one by one.",
        ("target", "outcome"),
        {(t, name): lane.fields.get(name, 0) for t, lane in lanes.items() for name in OUTCOMES},
    )
    took = HistogramMetricFamily("intake_delivery_seconds", "From accept to delivery.", labels=("target",))
    for name, lane in lanes.items():
        took.add_metric((name,), *_buckets(lane))
    yield took


def _buckets(lane: LaneState) -> tuple[list[tuple[str, float]], float]:
    total, found = 0, list[tuple[str, float]]()
    for bound in (*BOUNDS, "inf"):
        total += lane.took.get(str(bound), 0)
        found.append(("+Inf" if bound == "inf" else f"{bound}.0", total))
    return found, lane.took.get("ms", 0) / 1000


def _limits(snapshot: Snapshot, rt: Runtime) -> Iterator[Metric]:
    one = ("scope",)
    calls = {(name,): it.calls for name, it in snapshot.limits.items()}
    yield _counter("limit_requests", "Calls that a limit let through.", one, calls)
    closed = {(name,): it.closed for name, it in snapshot.limits.items()}
    yield _family("limit_closed_seconds", "For how long it is closed: the other side said so.", one, closed)
    allowed = {(name,): 1e6 / scope.interval for name, scope in rt.scopes.items() if scope.interval}
    yield _family("limit_requests_per_second", "Calls that it lets through at most.", one, allowed)


def _reports(snapshot: Snapshot) -> Iterator[Metric]:
    labels = ("provider", "target")
    compared = {pair: float(report["at"]) for pair, report in snapshot.reports.items()}
    yield _family("reconcile_last_timestamp_seconds", "When a pair was compared for the last time.", labels, compared)
    found = {pair: sum(report["counts"].get(fault, 0) for fault in FAULTS) for pair, report in snapshot.reports.items()}
    says = "Orders that were not as they should be when a pair was compared."
    yield _family("reconcile_found", says, labels, found)

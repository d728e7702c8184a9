"""The metrics. Each scrape reads them from Redis, so that they are right whichever processes have ended."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
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
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from worker.runtime import Runtime
    from worker.settings.load import Settings
    from worker.store.health.lane_state import LaneState
    from worker.store.health.state import ProviderState, Snapshot

#: The outcomes that lanes count, as `settle.lua` names them.
OUTCOMES: Final = (
    "delivered", "existed", "updated", "cancelled", "withdrawn",
    "pending", "retried", "snoozed", "held", "in_doubt", "dead",
)  # fmt: skip
#: What the ledger can do with an order (see `worker.store.orders.ledger.Accepted`).
RESULTS: Final = (
    "new", "same", "stale", "replaced", "revived", "withdrawn", "updating", "held", "changed", "unwanted", "asked",
)  # fmt: skip
#: What announced an order first.
BY: Final = ("poll", "hint", "push")
#: The upper bounds that `settle.lua` counts deliveries by, in seconds.
BOUNDS: Final = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
#: The gauges of a lane: help text and value.
_LANE: Final[dict[str, tuple[str, Callable[[LaneState], float]]]] = {
    "queued": ("Orders in the lane, due now or later.", lambda lane: lane.queued),
    "due": ("Orders in the lane that are due now.", lambda lane: lane.due),
    "in_flight": ("Orders that a drain has claimed and not yet settled.", lambda lane: lane.in_flight),
    "drains": ("Drains that are sending orders of the lane.", lambda lane: lane.drains),
    "dead": ("Dead orders: refused, or out of tries; they wait for a person.", lambda lane: lane.dead),
    "in_doubt": ("Orders in doubt: possibly in the target, so not sent again.", lambda lane: lane.in_doubt),
    "held": ("Held orders: they wait for a person or a mapping.", lambda lane: lane.held),
    "failures": ("Consecutive failed calls to the target.", lambda lane: lane.failures),
    "oldest_seconds": ("Age of the oldest undelivered order, in seconds.", lambda lane: lane.oldest),
    "paused": ("1 while the target is paused.", lambda lane: lane.paused is not None),
}
#: The gauges of a provider: help text and value.
_PROVIDER: Final[dict[str, tuple[str, Callable[[ProviderState], float]]]] = {
    "last_success_timestamp_seconds": (
        "Time of the last successful poll; 0: never.",
        lambda provider: provider.success or 0,
    ),
    "failures": ("Consecutive failed polls.", lambda provider: provider.failures),
    "paused": ("1 while the provider is paused.", lambda provider: provider.paused is not None),
    "unreadable": ("Unreadable records.", lambda provider: provider.malformed),
    "hints_waiting": ("Hints: orders that wait to be fetched by their id.", lambda provider: provider.hints),
    "missed_hooks": ("Consecutive new orders that only polls found.", lambda provider: provider.missed),
}
#: The gauges of the inbox: its name in `Inbox.status`, and the help text.
_INBOX: Final = {
    "waiting": ("waiting", "Jobs waiting in the inbox."),
    "taken": ("taken", "Jobs that are being accepted."),
    "takers": ("takers", "Processes that accept jobs."),
    "dead": ("dead_now", "Jobs that failed and wait for a person."),
}
_JOBS: Final = {"jobs": "Accepted jobs.", "hints": "Accepted jobs that are hints.", "bad": "Refused jobs."}


class RedisCollector(Collector):
    """Collects all metrics at each scrape. An unreachable Redis gives only `intake_up 0`, never an old figure."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is to collect is known only after a look at Redis."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics of one snapshot."""
        began = time.perf_counter()
        try:
            snapshot = take_snapshot(self._rt)
        except ERRORS:
            yield _gauge("up", "1 while Redis responds; otherwise no other metric is exported.", 0)
            return
        yield _gauge("up", "1 while Redis responds; otherwise no other metric is exported.", 1)
        yield from _engine(snapshot, self._rt.settings)
        raised = {(alarm.kind, alarm.subject): 1 for alarm in alarms(judge(snapshot, self._rt.settings))}
        text = "1 for each active alarm; `intake status` shows what to do."
        yield _family("alarm", text, ("name", "subject"), raised)
        yield from _providers(snapshot, self._rt.settings)
        yield from _lanes(snapshot)
        yield from _limits(snapshot, self._rt)
        yield from _reports(snapshot)
        yield _gauge("scrape_seconds", "Duration of this scrape, in seconds.", time.perf_counter() - began)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"intake_{name}", text, value)


def _family(
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Mapping[Any, float],
    kind: type[GaugeMetricFamily | CounterMetricFamily] = GaugeMetricFamily,
) -> Metric:
    """Return a gauge or a counter with labels; the keys of `values` are the values of the labels."""
    family = kind(f"intake_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


_counter: Final = partial(_family, kind=CounterMetricFamily)


def _engine(snapshot: Snapshot, settings: Settings) -> Iterator[Metric]:
    yield _family("build_info", "Version of the exporter.", ("version",), {(version("intake-orders"),): 1})
    yield _gauge(
        "ledger_start_timestamp_seconds",
        "Time at which this ledger began; a new value after a loss of Redis.",
        snapshot.began,
    )
    yield _family(
        "last_sign_timestamp_seconds",
        "Time of the last sweep, and of the last message that a worker took.",
        ("what",),
        {("sweep",): snapshot.signs.get(SWEPT, 0), ("worker",): snapshot.signs.get(TOOK, 0)},
    )
    alive = Counter(
        process.partition(" ")[0]
        for process, at in snapshot.signs.items()
        if " " in process and snapshot.now - at < settings.alarms.silent_after
    )
    text = "Celery processes that reported within alarms.silent_after (30 s by default)."
    yield _family("processes", text, ("role",), {(role,): alive[role] for role in (WORKER, UPKEEP)})
    queues = {(name,): count for name, count in snapshot.queues.items()}
    yield _family("queue_messages", "Nudges waiting in a Celery queue.", ("queue",), queues)
    for name, (field, text) in _INBOX.items():
        yield _gauge(f"inbox_{name}", text, snapshot.inbox.get(field, 0))
    for name, text in _JOBS.items():
        yield _counter(f"inbox_{name}", text, (), {(): snapshot.inbox.get(name, 0)})
    if server := snapshot.server:
        yield _gauge("redis_memory_bytes", "Memory used by Redis, in bytes.", server.used)
        yield _gauge("redis_memory_max_bytes", "maxmemory of Redis, in bytes; 0: no limit.", server.limit or 0)
        yield _gauge("redis_writes", "1 if the last write of Redis to its disk succeeded.", int(server.last_write_ok))


def _providers(snapshot: Snapshot, settings: Settings) -> Iterator[Metric]:
    providers = snapshot.providers
    for name, (text, value) in _PROVIDER.items():
        values = {(provider,): value(state) for provider, state in providers.items()}
        yield _family(f"provider_{name}", text, ("provider",), values)
    ages = {(name,): snapshot.now - state.turned for name, state in providers.items() if state.turned}
    yield _family("provider_cursor_age_seconds", "Time since the cursor last changed, in seconds.", ("provider",), ages)
    intervals = {(name,): settings.providers[name].poll_every for name in providers}
    yield _family(
        "provider_poll_interval_seconds", "Polling interval of the provider, in seconds.", ("provider",), intervals
    )
    yield _family(
        "provider_last_order_timestamp_seconds",
        "Time of the last new order, by its first source: poll, hint or push.",
        ("provider", "by"),
        {(name, by): at for name, state in providers.items() for by, at in state.arrived.items()},
    )
    yield _counter(
        "provider_orders",
        "New orders, by their first source: poll, hint or push.",
        ("provider", "by"),
        {(name, by): state.arrivals.get(by, 0) for name, state in providers.items() for by in BY},
    )
    yield _counter(
        "orders_left_out",
        "Orders that no route creates, by the rule that excludes them.",
        ("provider", "target", "rule"),
        {
            (name, *rule.split(" ", 1)): count
            for name, state in providers.items()
            for rule, count in state.left_out.items()
        },
    )
    yield _counter(
        "orders_with_unknown_status",
        "Orders with an unknown status, by the status code of the provider.",
        ("provider", "status"),
        {(name, code): count for name, state in providers.items() for code, count in state.unknown.items()},
    )
    records = {(name,): state.records for name, state in providers.items()}
    yield _counter("provider_records", "Records read by polls, including repeated ones.", ("provider",), records)


def _lanes(snapshot: Snapshot) -> Iterator[Metric]:
    lanes = snapshot.lanes
    for name, (text, value) in _LANE.items():
        yield _family(f"lane_{name}", text, ("target",), {(target,): value(lane) for target, lane in lanes.items()})
    yield _counter(
        "orders_accepted",
        "Accepted orders, by result.",
        ("target", "result"),
        {(target, name): lane.fields.get(f"accepted_{name}", 0) for target, lane in lanes.items() for name in RESULTS},
    )
    yield _counter(
        "orders_settled",
        "Settled delivery attempts, by outcome.",
        ("target", "outcome"),
        {(target, name): lane.fields.get(name, 0) for target, lane in lanes.items() for name in OUTCOMES},
    )
    durations = HistogramMetricFamily(
        "intake_delivery_seconds", "Time from acceptance to delivery, in seconds.", labels=("target",)
    )
    for target, lane in lanes.items():
        durations.add_metric((target,), *_buckets(lane))
    yield durations


def _buckets(lane: LaneState) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulated counts by upper bound, and the sum of all durations in seconds."""
    total, buckets = 0, list[tuple[str, float]]()
    for bound in (*BOUNDS, "inf"):
        total += lane.took.get(str(bound), 0)
        buckets.append(("+Inf" if bound == "inf" else f"{bound}.0", total))
    return buckets, lane.took.get("ms", 0) / 1000


def _limits(snapshot: Snapshot, rt: Runtime) -> Iterator[Metric]:
    calls = {(name,): limit.calls for name, limit in snapshot.limits.items()}
    yield _counter("limit_requests", "Calls that the rate limit admitted.", ("scope",), calls)
    closed = {(name,): limit.closed for name, limit in snapshot.limits.items()}
    yield _family(
        "limit_closed_seconds",
        "Seconds until the rate limit reopens; the other system closed it (429, 503).",
        ("scope",),
        closed,
    )
    allowed = {(name,): 1e6 / scope.interval for name, scope in rt.scopes.items() if scope.interval}
    yield _family("limit_requests_per_second", "Maximum calls per second of the rate limit.", ("scope",), allowed)


def _reports(snapshot: Snapshot) -> Iterator[Metric]:
    labels, reports = ("provider", "target"), snapshot.reports
    compared = {pair: float(report["at"]) for pair, report in reports.items()}
    yield _family(
        "reconcile_last_timestamp_seconds", "Time of the last comparison of a provider with a target.", labels, compared
    )
    faults = {pair: sum(report["counts"].get(fault, 0) for fault in FAULTS) for pair, report in reports.items()}
    text = "Differences found by the last comparison."
    yield _family("reconcile_found", text, labels, faults)

"""Traces: the spans of orders and calls, the data that no span contains, and the effect of a failing collector."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from support.fake_runtime import Bulky, FakeRuntime, Shop, Warehouse
from support.http_calls import SECRET, Make, Serve
from support.http_server import reply
from support.orders import order
from support.otlp_collector import Collector
from support.redis_text import key_names
from tasks.accept import accept
from tasks.deliver import deliver
from tasks.listen import take
from tasks.poll import poll
from worker.errors import Unavailable
from worker.settings.producers import Producer
from worker.settings.routes import Route
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    #: Restart the tracing as a new process with these OTEL_ variables would.
    Trace = Callable[..., None]


@pytest.fixture(scope="module", autouse=True)
def end_of_all_threads() -> Iterator[None]:
    """Wait for threads that still try a dead collector: they use `random`, which Hypothesis watches in later tests."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive(), thread.name


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def trace(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trace]:
    def restart(**variables: str) -> None:
        traces.close()
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            monkeypatch.delenv(name)
        for name, value in {"exporter_otlp_endpoint": collector.url, "exporter_otlp_timeout": "2", **variables}.items():
            monkeypatch.setenv(f"OTEL_{name.upper()}", value)
        traces._PROCESS.__init__()  # type: ignore[misc]  # as in a new process

    restart()
    yield restart
    traces.close()
    traces._PROCESS.__init__()  # type: ignore[misc]  # as in a new process


def run(program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | environ
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)


TRACED_WORK = """
import sys
from types import SimpleNamespace
from worker.telemetry import traces
claim = SimpleNamespace(key="shop:1", fingerprint="f")
for _ in range(100):
    with traces.span("poll shop", provider="shop"), traces.call("GET", "/x", "http://127.0.0.1:9") as span:
        span.note_status(200)
    with traces.attempt(claim, target="t"), traces.batch([claim, claim]), traces.acceptance("poll shop"):
        pass
traces.warn_if_missing()
traces.close()
"""
NOT_INSTALLED = """
import sys
class Blocker:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.parametrize(
    ("environ", "before"),
    [
        ({}, "import tasks.deliver, tasks.poll, tasks.listen, worker.cli.setup.check\n"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, ""),
    ],
    ids=["no collector", "disabled", "no exporter"],
)
def test_without_a_collector_the_sdk_is_not_imported(environ: dict[str, str], before: str) -> None:
    # redis-py imports the OpenTelemetry metrics API if it is installed, so only these modules are checked.
    modules = "('worker.telemetry.otel', 'opentelemetry.sdk.trace', 'opentelemetry.exporter')"
    done = run(before + TRACED_WORK + f"print([name for name in sys.modules if name.startswith({modules})])", **environ)
    assert done.stdout == "[]\n"


def test_a_missing_extra_is_logged_once_with_the_remedy_and_work_continues() -> None:
    done = run(NOT_INSTALLED + TRACED_WORK + "print('done')", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.stdout.count("pip install --require-hashes -r requirements.lock") == 1
    assert done.stdout.endswith("done\n")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("before", "output"),
    [
        ("", "[('ok', 'sent to collector.example', '')]"),
        (NOT_INSTALLED, "('warning', "),
    ],
    ids=["installed", "not installed"],
)
def test_check_shows_the_collectors_host_or_the_missing_extra_but_no_secret_of_the_url(
    before: str, output: str
) -> None:
    program = """
from worker.cli.setup.check import _examine_traces
print([(finding.state, finding.detail, finding.remedy) for finding in _examine_traces()])
"""
    done = run(before + program, OTEL_EXPORTER_OTLP_ENDPOINT="http://me:hush@collector.example:4318/hush")
    assert output in done.stdout
    assert "hush" not in done.stdout
    assert ("pip install" in done.stdout) is bool(before)


def test_an_invalid_variable_is_logged_and_work_continues(trace: Trace) -> None:
    trace(bsp_max_queue_size="0")
    with capture_logs() as lines, traces.span("poll shop"), traces.span("again"):
        pass
    assert [line["event"] for line in lines] == ["traces.failed"]


def test_an_order_has_one_trace_from_accept_to_delivery_with_every_attempt(
    trace: Trace, collector: Collector, redis: Redis
) -> None:
    rt: Any = FakeRuntime(redis, Shop([[{"id": "1"}]]))
    rt.warehouse.trouble = [Unavailable("POST /x: status 500")]
    poll(rt, "shop", rt.nudge)
    trace()
    deliver(rt, "t", rt.nudge)
    redis.zadd("intake:lane:t:due" if redis.exists("intake:lane:t:due") else _due(redis), {"shop:1": 0})
    trace()
    deliver(rt, "t", rt.nudge)
    traces.close()
    (root,), attempts, (poll_span,) = (collector.named(name) for name in ("order.accept", "order.deliver", "poll shop"))
    assert root.facts == {
        "intake.order": "shop:1",
        "intake.provider": "shop",
        "intake.source": "poll shop",
        "intake.target": "t",
        "intake.result": "new",
    }
    assert root.links == ((poll_span.trace, poll_span.id),)
    assert (root.parent, poll_span.parent) == ("", "")
    assert {(span.trace, span.parent) for span in attempts} == {(root.trace, root.id)}
    assert [(span.facts["intake.attempt"], span.facts["intake.outcome"], span.failed) for span in attempts] == [
        (1, "retry", True),
        (2, "delivered", False),
    ]
    assert attempts[0].facts["error.type"] == "unavailable"
    assert root.resource["service.name"] == "intake"
    assert b"status 500" not in collector.raw


def _due(redis: Redis) -> str:
    (name,) = key_names(redis, "*:due*")
    return name


def test_a_changed_order_starts_a_new_trace_and_an_unchanged_one_does_not(
    trace: Trace, collector: Collector, redis: Redis
) -> None:
    rt: Any = FakeRuntime(redis, Shop([]))
    for version in (order("1", version=1), order("1", version=1), order("1", version=2, note="new")):
        accept(rt, [version], "poll shop", rt.nudge)
    deliver(rt, "t", rt.nudge)
    traces.close()
    roots, (sent,) = collector.named("order.accept"), collector.named("order.deliver")
    assert [span.facts["intake.result"] for span in roots] == ["new", "replaced"]
    assert roots[0].trace != roots[1].trace == sent.trace


def test_a_batch_call_is_one_span_linked_with_the_span_of_each_order(
    trace: Trace, collector: Collector, redis: Redis
) -> None:
    rt: Any = FakeRuntime(redis, Shop([[{"id": "1"}, {"id": "2", "note": "bad"}, {"id": "3"}]]), Bulky())
    poll(rt, "shop", rt.nudge)
    deliver(rt, "t", rt.nudge)
    traces.close()
    roots = {span.facts["intake.order"]: span for span in collector.named("order.accept")}
    parts = {span.facts["intake.order"]: span for span in collector.named("order.deliver")}
    (call,) = collector.named("orders.deliver")
    assert set(call.links) == {(span.trace, span.id) for span in roots.values()}
    assert call.trace in {span.trace for span in roots.values()}
    for key, root in roots.items():
        assert (parts[key].trace, parts[key].parent) == (root.trace, root.id)
        assert parts[key].links == ((call.trace, call.id),)
    assert [parts[f"shop:{n}"].facts.get("error.type") for n in (1, 2, 3)] == [None, "rejected", None]


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("traceidratio", range(5, 36)),
        ("parentbased_traceidratio", range(5, 36)),
        ("always_off", range(1)),
        ("always_on", range(40, 41)),
    ],
)
def test_a_sampler_keeps_the_whole_trace_of_an_order_or_none_of_it(
    trace: Trace, collector: Collector, redis: Redis, sampler: str, expected: range
) -> None:
    rt: Any = FakeRuntime(redis, Shop([[{"id": str(n)} for n in range(40)]]))
    trace(traces_sampler=sampler, traces_sampler_arg="0.5")
    poll(rt, "shop", rt.nudge)
    trace(traces_sampler=sampler, traces_sampler_arg="0.5")
    deliver(rt, "t", rt.nudge)
    traces.close()
    accepted, delivered = ({span.trace for span in collector.named(name)} for name in ("order.accept", "order.deliver"))
    assert len(rt.warehouse.created) == 40
    assert accepted == delivered
    assert len(accepted) in expected


def test_a_call_span_has_path_status_and_code_but_no_query_secret_or_response_text(
    trace: Trace, collector: Collector, serve: Serve, make: Make
) -> None:
    server = serve(lambda _: reply(500, b'{"error": "Jan Jansen, jan@example.org"}'))
    client = make(f"{server.url}/hooks/T0KEN")
    with traces.span("poll shop"):
        for _ in range(2):
            with pytest.raises(Unavailable):
                client.read("/api/v5/orders/77-A", [("apiKey", "hush"), ("email", "jan@example.org")])
    traces.close()
    first, _ = collector.named("GET /api/v5/orders/{id}")
    assert first.parent == collector.named("poll shop")[0].id
    assert first.kind == 3  # CLIENT
    assert first.failed
    assert first.facts == {
        "http.request.method": "GET",
        "url.path": "/api/v5/orders/77-A",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "http.response.status_code": 500,
        "error.type": "unavailable",
    }
    for private in ("hush", "jan", "Jansen", "T0KEN", SECRET):
        assert private.encode() not in collector.raw


def test_a_call_outside_any_span_is_not_recorded(trace: Trace, collector: Collector, serve: Serve, make: Make) -> None:
    make(serve().url).write("POST", "/services/T000/B000/secret?key=hush", json={})
    with traces.span("poll shop"):
        pass
    traces.close()
    assert [span.name for span in collector.spans] == ["poll shop"]


def test_a_failed_poll_records_the_error_code_and_not_the_message(
    trace: Trace, collector: Collector, redis: Redis
) -> None:
    rt: Any = FakeRuntime(redis, Shop([[{"id": "1"}]]))
    rt.shop.trouble = [Unavailable("GET /x: Jan Jansen")]
    rt.poll_every(1.0)
    poll(rt, "shop", rt.nudge)
    traces.close()
    (poll_span,) = collector.named("poll shop")
    assert poll_span.facts == {"intake.provider": "shop", "error.type": "unavailable"}
    assert b"Jansen" not in collector.raw


def test_a_forked_process_sends_its_own_spans_and_none_of_its_parent(trace: Trace, collector: Collector) -> None:
    program = """
import json
import os
from worker.telemetry import traces
with traces.span("parent"):
    pass
child = os.fork()
with traces.span("parent" if child else "child"):
    pass
if child:
    os.waitpid(child, 0)
else:
    traces.close()
    os._exit(0)
"""
    run(program, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="shop-intake")
    assert sorted(span.name for span in collector.spans) == ["child", "parent", "parent"]
    assert {span.resource["service.name"] for span in collector.spans} == {"shop-intake"}


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "silent"])
def test_a_dead_collector_delays_neither_an_order_nor_the_process_exit(
    trace: Trace, redis: Redis, *, silent: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if not silent:
            listener.close()
        trace(exporter_otlp_endpoint=url, bsp_schedule_delay="50")
        rt: Any = FakeRuntime(redis, Shop([[{"id": str(n)} for n in range(100)]]), Warehouse())
        with capture_logs() as lines:
            poll(rt, "shop", rt.nudge)
            deliver(rt, "t", rt.nudge)
            began = time.monotonic()
            traces.close()
            assert time.monotonic() - began < 3.3  # 2 with the limit, 4 without it
        assert len(rt.warehouse.created) == 100
        assert sum(line["event"].startswith("traces.") for line in lines) <= 1


def test_a_refusing_collector_is_logged_once_and_its_recovery_once(trace: Trace, collector: Collector) -> None:
    trace(bsp_schedule_delay="20")
    collector.refuses = True

    def trace_until(done: Callable[[], object]) -> None:
        until = time.monotonic() + 20
        while not done():
            assert time.monotonic() < until
            with traces.span("poll shop"):
                time.sleep(0.01)

    with capture_logs() as lines:
        trace_until(lambda: len(collector.server.requests) > 4)
        collector.refuses = False
        trace_until(lambda: len(lines) > 1)
    assert [line["event"] for line in lines] == ["traces.lost", "traces.taken"]
    assert lines[1]["count"] > 1


def test_the_query_string_of_a_path_is_not_recorded(
    trace: Trace, collector: Collector, serve: Serve, make: Make
) -> None:
    with traces.span("poll shop"):
        make(serve().url).write("POST", "/orders?key=hush", json={})
    traces.close()
    assert b"hush" not in collector.raw
    assert collector.named("POST /orders")


def test_the_trace_of_a_pushed_order_links_to_the_span_that_took_its_job(
    trace: Trace, collector: Collector, redis: Redis
) -> None:
    rt: Any = FakeRuntime(redis, Shop([]), producers={"web": Producer()}, routes=(Route(source="web", targets=("t",)),))
    pushed = order("1").model_dump(mode="json", exclude_defaults=True, exclude={"provider"})
    rt.inbox.push([json.dumps({"v": 1, "provider": "web", "order": pushed})])
    with rt.inbox.taker() as taker:
        assert take(rt, taker, rt.nudge) == 1
    traces.close()
    (root,), (ingest,) = collector.named("order.accept"), collector.named("ingest")
    assert (root.facts["intake.source"], root.facts["intake.order"]) == ("push web", "web:1")
    assert root.links == ((ingest.trace, ingest.id),)
    assert ingest.facts == {"intake.jobs": 1}

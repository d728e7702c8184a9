"""The trace of one order across the processes of `intake up`."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.otlp_collector import Collector
from support.stack import KEY, Stack

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = 20
#: Fields of the systems' orders that hold personal data.
PERSONAL = {"firstname", "lastname", "patronymic", "phone", "email", "company_name", "address1", "address2", "street"}


def personal_texts(document: object, key: str = "") -> set[str]:
    """Return the texts of a document that identify a person."""
    if isinstance(document, dict):
        return {text for name, value in document.items() for text in personal_texts(value, str(name))}
    if isinstance(document, list):
        return {text for value in document for text in personal_texts(value, key)}
    return {str(document)} if key.lower().replace("_", "") in PERSONAL and len(str(document)) > 3 else set()


@pytest.mark.timeout(120)
def test_a_trace_of_an_order_spans_processes_and_contains_no_personal_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    # Longer than the test: only the spans that the processes send as they end arrive.
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    try:
        with Stack(tmp_path, ORDERS, limit="none", faults=["dropday:create:500:times=2"]) as stack:
            stack.start()
            stack.wait(lambda: stack.created() == ORDERS and stack.settled(), 60, "the orders")
            source = stack.admin.read("/_sandbox/retailcrm/shop/orders").json()["orders"]
            assert stack.stop() == []
            log = stack.log()
        print(_longest(collector))

        roots = {span.trace: span for span in collector.named("order.accept")}
        assert len(roots) == ORDERS
        attempts = collector.named("order.deliver")
        assert {span.trace for span in attempts} == set(roots)
        assert all(span.parent == roots[span.trace].id for span in attempts)
        assert {span.resource["service.name"] for span in attempts} == {"intake"}
        tries = Counter(span.trace for span in attempts)
        assert sorted(tries.values())[-2:] == [2, 2] or max(tries.values()) == 3

        creates = collector.named("POST /api/v1/orders")
        by_attempt = {span.id: span for span in attempts}
        assert len(creates) == ORDERS + 2
        for call in creates:
            attempt = by_attempt[call.parent]
            assert call.trace == attempt.trace
            assert attempt.began <= call.began <= call.ended <= attempt.ended
            assert attempt.failed is (call.facts["http.response.status_code"] == 500)
        polls = {(span.trace, span.id) for span in collector.named("poll shop")}
        assert all(link in polls for root in roots.values() for link in root.links)
        assert {span.trace for span in collector.spans if span.name.startswith("GET /api/v5")} <= {t for t, _ in polls}

        people = personal_texts(source)
        assert len(people) > ORDERS
        assert [text for text in (*people, KEY) if text.encode() in collector.raw] == []
        assert re.findall(r"opentelemetry|traces\.\w+", log) == []
    finally:
        collector.close()


def _longest(collector: Collector) -> str:
    """Return the trace of the order with the most tries."""
    tries = Counter(span.trace for span in collector.named("order.deliver"))
    return collector.tree(tries.most_common(1)[0][0]) if tries else ""

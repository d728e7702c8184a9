"""Create spans with the OpenTelemetry SDK and send them. Imported only in a process that has a collector."""

from __future__ import annotations

import atexit
import logging
import os
import re
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from worker.errors import IntakeError
from worker.telemetry.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span as Otel

    from schemas.order import Order
    from worker.telemetry.spans import Fact, TracedOrder

log = structlog.get_logger()

#: How long the end of a process waits for the collector, in seconds.
PATIENCE: Final = 2.0
#: Results of accepting that change nothing for the target: recorded at each poll, they would bury the others.
_UNCHANGED: Final = frozenset({"same", "stale", "unwanted"})
#: A path segment that is an id and not part of the API.
_ID: Final = re.compile(r"/(?!v\d+(?:/|$))[^/]*[\d%][^/]*")
_NO_CONTEXT: Final = Context()


class _Ids(RandomIdGenerator):
    """Random ids, except for a root span whose ids are fixed."""

    _fixed: ContextVar[SpanContext | None] = ContextVar("fixed", default=None)

    @contextmanager
    def fixed(self, ids: SpanContext) -> Iterator[None]:
        """Give these ids to the root span that this thread starts in the block."""
        token = self._fixed.set(ids)
        try:
            yield
        finally:
            self._fixed.reset(token)

    def generate_trace_id(self) -> int:
        ids = self._fixed.get()
        return ids.trace_id if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids = self._fixed.get()
        return ids.span_id if ids else super().generate_span_id()


class _Exporter(SpanExporter):
    """Send spans; log once that the collector does not accept them, and once that it does again."""

    def __init__(self) -> None:
        self._inner = OTLPSpanExporter()
        self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self.lost:
                log.info("traces.taken", reason="the collector is back; spans were lost meanwhile", count=self.lost)
            self.lost = 0
        else:
            if not self.lost:
                remedy = "check the collector; orders do not wait for it"
                log.warning("traces.lost", reason="the collector accepts no spans", remedy=remedy)
            self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()  # type: ignore[no-untyped-call]  # not annotated in the SDK


class Tracing:
    """The spans of this process. Its constructor raises whatever the SDK raises for an invalid OTEL_ variable."""

    def __init__(self) -> None:
        # The SDK logs each batch that an unreachable collector loses, and its exceptions contain HTTP headers.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._ids = _Ids()
        self._exporter = _Exporter()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("intake", version("intake-orders"))
        self._end, self._ended, self._pid = threading.Event(), threading.Event(), os.getpid()
        # The SDK's shutdown waits for the exporter without a limit. Python cannot start a thread at exit: start it now.
        threading.Thread(target=self._shutdown, name="traces-end", daemon=True).start()
        atexit.register(self.close)

    def _shutdown(self) -> None:
        self._end.wait()
        self._provider.shutdown()
        self._ended.set()

    def close(self) -> None:
        """Send the remaining spans; wait at most two seconds, and not at all for an unreachable collector."""
        if os.getpid() == self._pid and not self._end.is_set():
            self._end.set()
            self._ended.wait(0.0 if self._exporter.lost else PATIENCE)

    def origin(self, key: str, fingerprint: str) -> SpanContext:
        """Return the root of an order's trace, which is the same in every process, with the sampler's decision.

        The sampler decides as for a root span. A sampler that follows its parent depends on this decision, so it must
        not be a constant "sampled".
        """
        digest = blake2b(f"{key}\0{fingerprint}".encode(), digest_size=24, person=b"intake.trace").digest()
        trace_id, span_id = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big")
        decision = self._provider.sampler.should_sample(_NO_CONTEXT, trace_id, "order.accept").decision
        flags = TraceFlags(TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    @contextmanager
    def span(
        self,
        name: str,
        facts: Mapping[str, Fact],
        within: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
    ) -> Iterator[_Span]:
        """Open the span of `worker.telemetry.traces.span`, or one of another kind, place or with links."""
        with self._tracer.start_as_current_span(
            name, within, kind, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            opened = _Span(self, span)
            opened.note(**facts)
            try:
                yield opened
            except BaseException as error:
                opened.fail(error.code if isinstance(error, IntakeError) else type(error).__name__)
                raise

    def attempt(self, order: TracedOrder, facts: Mapping[str, Fact]) -> AbstractContextManager[_Span]:
        """Open the span of `worker.telemetry.traces.attempt`."""
        origin = self.origin(order.key, order.fingerprint)
        return self.span("order.deliver", {"order": order.key, **facts}, _within(origin))

    def batch(self, orders: Sequence[TracedOrder], facts: Mapping[str, Fact]) -> AbstractContextManager[_Span]:
        """Open the span of `worker.telemetry.traces.batch`, in the trace of the first sampled order."""
        origins = [self.origin(order.key, order.fingerprint) for order in orders]
        sampled = [origin for origin in origins if origin.trace_flags.sampled]
        links = [Link(origin) for origin in sampled]
        within = _within((sampled or origins)[0])
        return self.span("orders.deliver", {"orders": len(orders), **facts}, within, links=links)

    @contextmanager
    def call(self, method: str, path: str, server: str) -> Iterator[Span]:
        """Open the span of `worker.telemetry.traces.call`."""
        if not get_current_span().is_recording():
            yield Span()
            return
        path = f"/{path.partition('?')[0].lstrip('/')}"
        with self.span(f"{method} {_ID.sub('/{id}', path)}", {}, kind=SpanKind.CLIENT) as opened:
            host, port = _host(server)
            opened.span.set_attributes(
                {"http.request.method": method, "url.path": path, "server.address": host, "server.port": port}
            )
            yield opened

    @contextmanager
    def acceptance(self, source: str) -> Iterator[_Acceptance]:
        """Open the span of `worker.telemetry.traces.acceptance`; orders accepted before an error are recorded too."""
        acceptance = _Acceptance(self, get_current_span())
        try:
            yield acceptance
        finally:
            acceptance.write(source)

    def root(self, order: Order, facts: Mapping[str, Fact], began: int, bringer: SpanContext) -> None:
        """Write the root span of an order's trace, from `began` (Unix nanoseconds) to now, linked to the `bringer`."""
        links = [Link(bringer)] if bringer.is_valid and bringer.trace_flags.sampled else ()
        with self._ids.fixed(self.origin(order.key, order.fingerprint())):
            span = self._tracer.start_span("order.accept", _NO_CONTEXT, links=links, start_time=began)
        _Span(self, span).note(order=order.key, provider=order.provider, **facts)
        span.end()

    def share(self, order: TracedOrder, code: str, facts: Mapping[str, Fact], began: int, call: SpanContext) -> None:
        """Write the span of one order of a batch, linked to the span of the call."""
        within, links = _within(self.origin(order.key, order.fingerprint)), [Link(call)]
        span = self._tracer.start_span("order.deliver", within, links=links, start_time=began)
        part = _Span(self, span)
        part.note(order=order.key, **facts)
        part.fail(code)
        span.end()


def _within(parent: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), _NO_CONTEXT)


def _resource() -> Resource:
    resource = Resource.create({"service.version": version("intake-orders")})
    named = not str(resource.attributes["service.name"]).startswith("unknown_service")
    return resource if named else resource.merge(Resource({"service.name": "intake"}))


@lru_cache(maxsize=64)
def _host(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class _Span(Span):
    """A span of the SDK."""

    def __init__(self, tracing: Tracing, span: Otel) -> None:
        self.span = span
        self._tracing = tracing
        self._began = time.time_ns()

    def note(self, **facts: Fact) -> None:
        self.span.set_attributes({f"intake.{name}": value for name, value in facts.items() if value != ""})

    def fail(self, code: str) -> None:
        if code:
            self.span.set_attribute("error.type", code)
            self.span.set_status(Status(StatusCode.ERROR))

    def note_status(self, status: int) -> None:
        self.span.set_attribute("http.response.status_code", status)

    def note_order(self, order: TracedOrder, code: str, **facts: Fact) -> None:
        self._tracing.share(order, code, facts, self._began, self.span.get_span_context())


class _Acceptance(_Span):
    """The acceptance of orders, within the span that brought them."""

    def __init__(self, tracing: Tracing, span: Otel) -> None:
        super().__init__(tracing, span)
        self._results: dict[tuple[str, str], tuple[Order, dict[str, str]]] = {}

    def note_accepted(self, target: str, results: Iterable[tuple[Order, str]]) -> None:
        for order, result in results:
            if result not in _UNCHANGED:
                _, by_target = self._results.setdefault((order.key, order.fingerprint()), (order, {}))
                by_target[target] = result

    def write(self, source: str) -> None:
        for order, by_target in self._results.values():
            results = ", ".join(dict.fromkeys(by_target.values()))
            facts = {"source": source, "target": ", ".join(by_target), "result": results}
            self._tracing.root(order, facts, self._began, self.span.get_span_context())

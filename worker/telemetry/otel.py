"""What makes spans of OpenTelemetry, and sends them; imported only where somebody collects them."""

from __future__ import annotations

import atexit
import logging
import os
import re
import threading
import time
from contextlib import contextmanager, nullcontext
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
    INVALID_SPAN,
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span as Otel

    from schemas.order import Order
    from worker.telemetry.spans import Fact, Known

log = structlog.get_logger()

#: Seconds that the end of a process waits for the collector.
PATIENCE: Final = 2.0
#: Results of accepting that change nothing for the target: told at each poll, they would bury the others.
_NO_NEWS: Final = frozenset({"same", "stale", "unwanted"})
#: A part of a path that is an id, rather than a word of the API.
_ID: Final = re.compile(r"/(?!v\d+(?:/|$))[^/]*[\d%][^/]*")
_EMPTY: Final = Context()


class _Ids(RandomIdGenerator):
    """Ids by chance, but for a span whose ids are known before."""

    def __init__(self) -> None:
        self._here = threading.local()

    @contextmanager
    def fixed(self, ids: SpanContext) -> Iterator[None]:
        """The root that this thread begins next has these ids."""
        self._here.ids = ids
        try:
            yield
        finally:
            self._here.ids = None

    def generate_trace_id(self) -> int:
        ids: SpanContext | None = getattr(self._here, "ids", None)
        return ids.trace_id if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids: SpanContext | None = getattr(self._here, "ids", None)
        return ids.span_id if ids else super().generate_span_id()


class _Exporter(SpanExporter):
    """Sends spans; says once that the collector does not take them, and once that it does again."""

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
                remedy = "look at the collector; orders do not wait for it"
                log.warning("traces.lost", reason="the collector takes no spans", remedy=remedy)
            self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()  # type: ignore[no-untyped-call]  # the SDK's own omission


class Tracing:
    """The spans of this process; raises what a wrong OTEL_ variable makes the SDK raise."""

    def __init__(self) -> None:
        # What it has to say of a collector that is away, it says for each batch; its exceptions know headers.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._ids = _Ids()
        self._exporter = _Exporter()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("intake", version("intake-orders"))
        self._end, self._ended, self._pid = threading.Event(), threading.Event(), os.getpid()
        # The SDK's own end waits for the exporter as long as that likes. No thread begins at the end of Python.
        threading.Thread(target=self._shutdown, name="traces-end", daemon=True).start()
        atexit.register(self.close)

    def _shutdown(self) -> None:
        self._end.wait()
        self._provider.shutdown()
        self._ended.set()

    def close(self) -> None:
        """Send what is left; a collector that is away is not waited for, any other for two seconds."""
        if os.getpid() == self._pid and not self._end.is_set():
            self._end.set()
            self._ended.wait(0.0 if self._exporter.lost else PATIENCE)

    def origin(self, key: str, fingerprint: str) -> SpanContext:
        """The root of an order's trace; every process finds the same one, and whether it is told.

        The sampler is asked for it as for a root. Its answer, not a flag that says "sampled" of every order, is what a
        sampler that follows the parent has to follow.
        """
        digest = blake2b(f"{key}\0{fingerprint}".encode(), digest_size=24, person=b"intake.trace").digest()
        trace_id, span_id = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big")
        decision = self._provider.sampler.should_sample(_EMPTY, trace_id, "order.accept").decision
        flags = TraceFlags(TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    @contextmanager
    def _open(
        self,
        name: str,
        facts: Mapping[str, Fact],
        within: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
    ) -> Iterator[_Span]:
        with self._tracer.start_as_current_span(
            name, within, kind, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            seen = _Span(self, span)
            seen.note(**facts)
            try:
                yield seen
            except BaseException as error:
                seen.fail(error.code if isinstance(error, IntakeError) else type(error).__name__)
                raise

    def span(self, name: str, facts: Mapping[str, Fact]) -> AbstractContextManager[_Span]:
        """See `worker.telemetry.traces.span`."""
        return self._open(name, facts)

    def attempt(self, order: Known, facts: Mapping[str, Fact]) -> AbstractContextManager[_Span]:
        """See `worker.telemetry.traces.attempt`."""
        origin = self.origin(order.key, order.fingerprint)
        return self._open("order.deliver", {"order": order.key, **facts}, _within(origin))

    def together(self, orders: Sequence[Known], facts: Mapping[str, Fact]) -> AbstractContextManager[_Span]:
        """Return the span of `worker.telemetry.traces.together`, in the trace of the first sampled order."""
        origins = [self.origin(order.key, order.fingerprint) for order in orders]
        told = [origin for origin in origins if origin.trace_flags.sampled]
        links = [Link(origin) for origin in told]
        within = _within((told or origins)[0])
        return self._open("orders.deliver", {"orders": len(orders), **facts}, within, links=links)

    def call(self, method: str, path: str, server: str) -> AbstractContextManager[_Span]:
        """See `worker.telemetry.traces.call`."""
        if not get_current_span().is_recording():
            return nullcontext(_Span(self, INVALID_SPAN))
        return self._call(method, f"/{path.partition('?')[0].lstrip('/')}", server)

    @contextmanager
    def _call(self, method: str, path: str, server: str) -> Iterator[_Span]:
        with self._open(f"{method} {_ID.sub('/{id}', path)}", {}, kind=SpanKind.CLIENT) as seen:
            host, port = _host(server)
            seen.span.set_attributes(
                {"http.request.method": method, "url.path": path, "server.address": host, "server.port": port}
            )
            yield seen

    @contextmanager
    def accepting(self, source: str) -> Iterator[_Accepting]:
        """See `worker.telemetry.traces.accepting`; what was accepted before something went wrong is told."""
        seen = _Accepting(self, get_current_span())
        try:
            yield seen
        finally:
            seen.tell(source)

    def root(self, order: Order, facts: Mapping[str, Fact], began: int, brought: SpanContext) -> None:
        """The span that an order's trace begins with, from `began` (Unix nanoseconds) to now."""
        links = [Link(brought)] if brought.is_valid and brought.trace_flags.sampled else ()
        with self._ids.fixed(self.origin(order.key, order.fingerprint())):
            span = self._tracer.start_span("order.accept", _EMPTY, links=links, start_time=began)
        _Span(self, span).note(order=order.key, provider=order.provider, **facts)
        span.end()

    def share(self, order: Known, code: str, facts: Mapping[str, Fact], began: int, call: SpanContext) -> None:
        """One order's part in a call for many."""
        within, links = _within(self.origin(order.key, order.fingerprint)), [Link(call)]
        span = self._tracer.start_span("order.deliver", within, links=links, start_time=began)
        seen = _Span(self, span)
        seen.note(order=order.key, **facts)
        seen.fail(code)
        span.end()


def _within(parent: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), _EMPTY)


def _resource() -> Resource:
    known = Resource.create({"service.version": version("intake-orders")})
    named = not str(known.attributes["service.name"]).startswith("unknown_service")
    return known if named else known.merge(Resource({"service.name": "intake"}))


@lru_cache(maxsize=64)
def _host(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class _Span:
    """See `worker.telemetry.spans.Span`."""

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

    def answered(self, status: int) -> None:
        self.span.set_attribute("http.response.status_code", status)

    def each(self, order: Known, code: str, **facts: Fact) -> None:
        self._tracing.share(order, code, facts, self._began, self.span.get_span_context())

    def accepted(self, target: str, results: Iterable[tuple[Order, str]]) -> None:
        pass


class _Accepting(_Span):
    """Orders that are taken in; the span is that of whoever brought them."""

    def __init__(self, tracing: Tracing, span: Otel) -> None:
        super().__init__(tracing, span)
        self._fates: dict[tuple[str, str], tuple[Order, dict[str, str]]] = {}

    def accepted(self, target: str, results: Iterable[tuple[Order, str]]) -> None:
        for order, result in results:
            if result not in _NO_NEWS:
                _, fate = self._fates.setdefault((order.key, order.fingerprint()), (order, {}))
                fate[target] = result

    def tell(self, source: str) -> None:
        for order, fate in self._fates.values():
            results = ", ".join(dict.fromkeys(fate.values()))
            facts = {"source": source, "target": ", ".join(fate), "result": results}
            self._tracing.root(order, facts, self._began, self.span.get_span_context())

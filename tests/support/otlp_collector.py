"""An OpenTelemetry collector that receives spans over OTLP/HTTP for a test to read."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.http_server import Request, Server, reply

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Span:
    """One span; its ids are hexadecimal."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    began: int
    ended: int
    failed: bool
    facts: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    resource: dict[str, Any]


def _facts(attributes: Iterable[Any]) -> dict[str, Any]:
    return {attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value")) for attribute in attributes}


class Collector:
    """A collector on loopback: `spans` are all spans received, `raw` their bytes."""

    def __init__(self) -> None:
        self.refuses = False
        self.server = Server(self._answer)
        self._bodies: list[bytes] = []

    def _answer(self, request: Request) -> bytes:
        if self.refuses:
            return reply(400)
        packed = request.headers.get("content-encoding") == "gzip"
        self._bodies.append(gzip.decompress(request.body) if packed else request.body)
        return reply(200, b"", content_type="application/x-protobuf")

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def raw(self) -> bytes:
        return b"".join(self._bodies)

    @property
    def spans(self) -> list[Span]:
        return [
            Span(
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.kind,
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                span.status.code == span.status.STATUS_CODE_ERROR,
                _facts(span.attributes),
                tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                _facts(group.resource.attributes),
            )
            for body in self._bodies
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Span]:
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.began)

    def tree(self, trace: str) -> str:
        """Return the trace as an indented text."""
        spans = sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.began)
        ids, start = {span.id for span in spans}, min(span.began for span in spans)

        def lines(siblings: list[Span], depth: int) -> list[str]:
            rows = []
            for span in siblings:
                at, took = (span.began - start) / 1e6, (span.ended - span.began) / 1e6
                facts = "  ".join(f"{name.removeprefix('intake.')}={value}" for name, value in span.facts.items())
                rows.append(f"{'   ' * depth}{span.name}  +{at:.0f} ms, {took:.1f} ms  {facts}")
                rows += lines([child for child in spans if child.parent == span.id], depth + 1)
            return rows

        return "\n".join(lines([span for span in spans if span.parent not in ids], 0))

    def close(self) -> None:
        self.server.close()

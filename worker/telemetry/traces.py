"""Traces: the work done for an order, from its source's response to its target's.

The environment switches them on (OTEL_EXPORTER_OTLP_ENDPOINT, see deploy/docs/tracing.md). Without it the SDK
is not imported and a span costs less than a microsecond. The no-op spans of `opentelemetry-api` cost 5 to 16
microseconds instead (measured), because each of them attaches and detaches a context.
"""

from __future__ import annotations

import os
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from worker.process.extras import install_command
from worker.process.lazy_log import log
from worker.telemetry.spans import Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from worker.telemetry.otel import Tracing
    from worker.telemetry.spans import Fact, TracedOrder

#: The variables that name a collector.
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
#: The packages of the extra `otel`.
_PACKAGES: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


_NO_SPAN: Final = Span()


class _Process:
    """The tracing of this process: created on first use, and never inherited by a forked process."""

    __slots__ = ("created", "lock", "tracing")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.created = False
        self.tracing: Tracing | None = None

    def create(self) -> Tracing | None:
        with self.lock:
            if not self.created:
                self.tracing = _create_tracing()
                self.created = True
        return self.tracing


_PROCESS: Final = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS.__init__)  # type: ignore[misc]  # resets the same object


def _create_tracing() -> Tracing | None:
    if not endpoint() or not is_installed():
        return None
    try:
        from worker.telemetry.otel import Tracing

        return Tracing()
    except Exception as error:  # noqa: BLE001  # an invalid OTEL_ variable must not stop an order
        log.error("traces.failed", reason=type(error).__name__, remedy="check the variables OTEL_*")
        return None


def _tracing() -> Tracing | None:
    return _PROCESS.tracing if _PROCESS.created else _PROCESS.create()


def endpoint() -> str:
    """Return the URL of the collector that the environment names, or "" if tracing is off."""
    variable = os.environ.get
    if variable("OTEL_SDK_DISABLED", "").strip().lower() == "true" or variable("OTEL_TRACES_EXPORTER") == "none":
        return ""
    return next((url for name in _ENDPOINTS if (url := variable(name, "").strip())), "")


def is_installed() -> bool:
    """Return whether the packages of the extra `otel` are installed."""
    try:
        return all(find_spec(name) for name in _PACKAGES)
    except ModuleNotFoundError:
        return False


def warn_if_missing() -> None:
    """Warn if the environment names a collector and the extra `otel` is missing; call it in the parent process."""
    if endpoint() and not is_installed():
        reason = "the environment names a collector, but the extra `otel` is not installed"
        log.warning("traces.missing", reason=reason, remedy=install_command("otel"))


def close() -> None:
    """Send the remaining spans, in at most two seconds. Later spans of this process are lost."""
    if _PROCESS.tracing is not None:
        _PROCESS.tracing.close()


def span(name: str, **facts: Fact) -> AbstractContextManager[Span]:
    """Open a span within the current one of this thread, or as the root of a new trace."""
    return tracing.span(name, facts) if (tracing := _tracing()) else _NO_SPAN


def attempt(order: TracedOrder, **facts: Fact) -> AbstractContextManager[Span]:
    """Open the span of one attempt to deliver an order, in the order's trace."""
    return tracing.attempt(order, facts) if (tracing := _tracing()) else _NO_SPAN


def batch(orders: Sequence[TracedOrder], **facts: Fact) -> AbstractContextManager[Span]:
    """Open the span of one call for many orders; `Span.note_order` records each result in the order's own trace."""
    return tracing.batch(orders, facts) if (tracing := _tracing()) else _NO_SPAN


def acceptance(source: str) -> AbstractContextManager[Span]:
    """Trace the acceptance of orders from `source`.

    Each order that `Span.note_accepted` reports as new or changed begins a trace.
    """
    return tracing.acceptance(source) if (tracing := _tracing()) else _NO_SPAN


def call(method: str, path: str, server: str) -> AbstractContextManager[Span]:
    """Open the span of one HTTP call within the current span; without a current span, record nothing.

    Args:
        method: The HTTP method.
        path: The path below the base URL; the query string is not recorded.
        server: The base URL; only its host and port are recorded, because its path may be a secret.
    """
    return tracing.call(method, path, server) if (tracing := _tracing()) else _NO_SPAN

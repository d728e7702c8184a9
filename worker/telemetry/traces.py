"""Traces: what is done for an order, from its source's answer to its target's, for whoever collects them.

The environment switches them on (OTEL_EXPORTER_OTLP_ENDPOINT, see deploy/docs/tracing.md). Without it no SDK is
imported, and each span here costs about a microsecond.
"""

from __future__ import annotations

import os
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from schemas.order import Order
    from worker.telemetry.otel import Tracing
    from worker.telemetry.spans import Fact, Known, Span

log = structlog.get_logger()

#: What names a collector.
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
#: What has to be installed.
_PACKAGES: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
INSTALL: Final = 'pip install "intake-orders[otel]"'


class _Nothing:
    """A span that nobody collects."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, **facts: Fact) -> None:
        pass

    def fail(self, code: str) -> None:
        pass

    def answered(self, status: int) -> None:
        pass

    def each(self, order: Known, code: str, **facts: Fact) -> None:
        pass

    def accepted(self, target: str, results: Iterable[tuple[Order, str]]) -> None:
        pass


_NOTHING: Final = _Nothing()


class _Process:
    """What this process traces with: made when it is first needed, and never taken over a fork."""

    __slots__ = ("known", "lock", "tracing")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known = False
        self.tracing: Tracing | None = None

    def make(self) -> Tracing | None:
        with self.lock:
            if not self.known:
                self.tracing = _made()
                self.known = True
        return self.tracing


_HERE: Final = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_HERE.__init__)  # type: ignore[misc]  # made anew, in its place


def _made() -> Tracing | None:
    if not endpoint() or not installed():
        return None
    try:
        from worker.telemetry.otel import Tracing

        return Tracing()
    except Exception as error:  # noqa: BLE001  # a wrong OTEL_ variable must not stop an order
        log.error("traces.failed", reason=type(error).__name__, remedy="look at the variables OTEL_*")
        return None


def _tracing() -> Tracing | None:
    return _HERE.tracing if _HERE.known else _HERE.make()


def endpoint() -> str:
    """Where the environment wants traces sent to; "": it wants none."""
    told = os.environ.get
    if told("OTEL_SDK_DISABLED", "").strip().lower() == "true" or told("OTEL_TRACES_EXPORTER") == "none":
        return ""
    return next((url for name in _ENDPOINTS if (url := told(name, "").strip())), "")


def installed() -> bool:
    """Whether the extra `otel` is."""
    try:
        return all(find_spec(name) for name in _PACKAGES)
    except ModuleNotFoundError:
        return False


def announce() -> None:
    """Say what stands in the way of what the environment wants; once, by the process that has the others."""
    if endpoint() and not installed():
        log.warning("traces.missing", reason="a collector is named, and the extra `otel` is not there", remedy=INSTALL)


def close() -> None:
    """Send what is left, in two seconds at most; whatever a process traces after that is lost."""
    if _HERE.tracing is not None:
        _HERE.tracing.close()


def span(name: str, **facts: Fact) -> AbstractContextManager[Span]:
    """A piece of work: part of what this thread is at, or the beginning of a trace of its own."""
    tracing = _tracing()
    return _NOTHING if tracing is None else tracing.span(name, facts)


def attempt(order: Known, **facts: Fact) -> AbstractContextManager[Span]:
    """One attempt to make an order exist, in the order's trace."""
    tracing = _tracing()
    return _NOTHING if tracing is None else tracing.attempt(order, facts)


def together(orders: Sequence[Known], **facts: Fact) -> AbstractContextManager[Span]:
    """One call for many orders; `Span.each` tells what it did for each of them, in the order's own trace."""
    tracing = _tracing()
    return _NOTHING if tracing is None else tracing.together(orders, facts)


def accepting(source: str) -> AbstractContextManager[Span]:
    """Orders are taken in from `source`; those that `Span.accepted` names as new or changed begin a trace each."""
    tracing = _tracing()
    return _NOTHING if tracing is None else tracing.accepting(source)


def call(method: str, path: str, server: str) -> AbstractContextManager[Span]:
    """One HTTP call, as part of what this thread is at; what belongs to nothing is not told.

    Args:
        method: The method.
        path: The path behind the base URL; what follows a "?" is not told.
        server: The base URL; its host and port are told, for its path may be a secret.
    """
    tracing = _tracing()
    return _NOTHING if tracing is None else tracing.call(method, path, server)

"""A span, which does not depend on OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.order import Order

#: A value that a span may carry: a name, an id of an order, a state or a number.
Fact = str | int


class TracedOrder(Protocol):
    """The part of an order that identifies its trace."""

    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102


class Span:
    """A piece of work with a start and an end; it must never carry personal data or a secret.

    This class records nothing: it is the span that nobody collects, and the interface of one that is collected.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, **facts: Fact) -> None:
        """Add facts that were not known at the start; skip empty texts."""

    def fail(self, code: str) -> None:
        """Mark the span as failed with the code of one of our errors, never a message; do nothing for ""."""

    def note_status(self, status: int) -> None:
        """Add the HTTP status of the response."""

    def note_order(self, order: TracedOrder, code: str, **facts: Fact) -> None:
        """Record the result for one order of a batch; a `code` that is not empty is the cause of its failure."""

    def note_accepted(self, target: str, results: Iterable[tuple[Order, str]]) -> None:
        """Record the ledger's result for each order that was accepted for a target (see `Accepted`)."""

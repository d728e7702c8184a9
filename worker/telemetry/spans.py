"""What a span offers: the words that traces, and what makes them, share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.order import Order

#: What may be told: names, ids of orders, states, numbers.
Fact = str | int


class Known(Protocol):
    """What an order's trace is found by."""

    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102


class Span(Protocol):
    """Something that takes time; nothing that is noted here may be personal, or a secret."""

    def note(self, **facts: Fact) -> None:
        """Facts that were not known when it began; an empty text is none."""

    def fail(self, code: str) -> None:
        """It came to nothing, for this cause: the code of one of our errors, never a message; "": it did not."""

    def answered(self, status: int) -> None:
        """The HTTP status that came back."""

    def each(self, order: Known, code: str, **facts: Fact) -> None:
        """What this one call did for one of its orders; `code` says why it came to nothing, if it did."""

    def accepted(self, target: str, results: Iterable[tuple[Order, str]]) -> None:
        """What a target's ledger made of orders (see `Accepted`)."""

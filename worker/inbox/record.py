"""What happens to one record on its way in: whatever fails on it is its own failure, and never that of its feed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.errors import IntakeError, Malformed
from worker.jsontext.fragments import Fragment
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.provider import Provider, Record


class isolated:  # noqa: N801  # a context manager; a class takes a third of the time of a generator
    """Turn whatever fails in this block, which handles one record, into Malformed. `step` names what failed.

    The errors of `worker/errors.py` and of Redis pass unchanged: their callers know them. The message names the
    exception, never a value of the record.
    """

    __slots__ = ("_step",)

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Pass an error that its callers know; any other, a bug included, is that of this one record."""
        if isinstance(error, Exception) and not isinstance(error, (IntakeError, *ERRORS)):
            raise Malformed(f"bug: {self._step} failed with {type(error).__name__}") from None


def to_order(provider: Provider, record: Record) -> Order:
    """Return the record as an order.

    Raise PermanentError for an unreadable record, including a bug of the adapter. An adapter that must call the
    provider first (RetailCRM: for the time zone) may also raise RetryableError or SnoozeError.
    """
    if isinstance(record.raw, Fragment):
        raise Malformed(f"order: {record.raw.reason}", record.raw.field)
    with isolated(f"the {provider.kind} adapter"):
        return check_version(provider.normalize(record))


def check_version(order: Order) -> Order:
    """Return the order. Raise Malformed if its version is below zero: only Intake itself sets one (`tasks/job.py`)."""
    if order.version is not None and order.version < 0:
        raise Malformed("order.version: is below 0", "order.version")
    return order

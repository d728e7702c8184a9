"""What happens to one record on its way in: whatever fails on it is its own failure, and never that of its feed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.errors import IntakeError, Malformed
from worker.jsontext.fragments import Fragment
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.order import Order
    from worker.systems.provider import Provider, Record


@contextmanager
def isolated(step: str) -> Iterator[None]:
    """Turn whatever fails in this block, which handles one record, into Malformed. `step` names what failed.

    The errors of `worker/errors.py` and of Redis pass unchanged: their callers know them. The message names the
    exception, never a value of the record.
    """
    try:
        yield
    except IntakeError:
        raise
    except ERRORS:
        raise
    except Exception as error:  # noqa: BLE001  # any failure, a bug included, is that of this one record
        raise Malformed(f"bug: {step} failed with {type(error).__name__}") from None


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

"""What follows from an error that ends a run early: a log line, a pause, a later attempt."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from worker.errors import AuthFailed, IntakeError, LeaseLost, SnoozeError, StoreFull
from worker.retry import backoff
from worker.telemetry.log import report_store_full

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Runtime
    from worker.store.feeds.cursors import Cursors

log = structlog.get_logger()


@dataclass(slots=True)
class Ending:
    """How a run ended: `error` ended it early, None where it ran to its end."""

    error: IntakeError | None = None


@contextmanager
def log_ending(fenced: str, *others: type[IntakeError], **subject: object) -> Iterator[Ending]:
    """Catch the error that ends the run in this block, and keep it in `Ending.error`.

    Args:
        fenced: The event to log for a lost lease. A full Redis is logged as well.
        others: Errors to catch besides these two. The caller decides what follows from them, and logs it.
        subject: What the log lines name: the provider or the lane.
    """
    ending = Ending()
    try:
        yield ending
    except LeaseLost as error:
        ending.error = error
        log.warning(fenced, **subject, reason=str(error))
    except StoreFull as error:
        ending.error = error
        report_store_full(error, **subject)
    except others as error:
        ending.error = error


def pause_provider(rt: Runtime, name: str, error: AuthFailed) -> None:
    """Pause a provider that refused the credentials, until an operator resumes it."""
    rt.cursors.pause(name, str(error))
    log.error("provider.paused", provider=name, reason=str(error), remedy=f"fix the cause, then: intake resume {name}")


def retry_later(feed: Cursors, name: str, error: IntakeError) -> float:
    """Note the error of a poll or a backfill, and return the seconds until its next attempt."""
    failures = int(feed.status(name).get("failures", "0"))
    delay = error.delay if isinstance(error, SnoozeError) else backoff(failures)
    feed.note_failure(name, f"{error.code}: {error}", delay)
    return delay

"""The two accounts that are compared. The run uses a share of the limit of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from worker.errors import AuthFailed, Malformed, OutOfTime, PermanentError, RetryableError, SnoozeError
from worker.http.client import Client
from worker.http.gates import Pace
from worker.inbox.record import isolated, to_order
from worker.jsontext.fragments import Fragment
from worker.process.stopping import stopping
from worker.retry import backoff
from worker.systems.provider import Record, Unread
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from schemas.order import Order
    from worker.runtime import Runtime
    from worker.settings.accounts import ProviderSettings, TargetSettings
    from worker.systems.provider import Page, Provider
    from worker.systems.target import Target
    from worker.systems.view import Side, View

T = TypeVar("T")
#: Seconds that an account may be unavailable before the run is given up.
_PATIENCE: Final = 600.0


class Sides:
    """The provider, the target, and the provider that reads the target's account, if its kind can be read."""

    def __init__(self, rt: Runtime, provider: str, target: str, share: float) -> None:
        self._rt, self._share = rt, share
        self._paces: dict[str, Pace] = {}
        source, account = rt.settings.providers[provider], rt.settings.targets[target]
        self.source: Provider = self._adapter(source, provider_kinds()[source.kind], source.current_options)
        self.target: Target = self._adapter(account, target_kinds()[account.kind], account.current_options)
        self.reader: Provider | None = None
        kind, options = provider_kinds().get(account.kind), self.target.reader_options()
        if kind is not None and kind.reference_field and options is not None:
            self.reader = self._adapter(account, kind, kind.Options.model_validate(options))

    def reference_of(self, order: Order) -> str | None:
        """Return the reference that an order of the reader carries; None for an order without one."""
        field = self.reader.reference_field if self.reader else None
        return getattr(order, field) if field else None

    def view(self, order: Order, side: Side) -> View:
        """Return the target's view of an order; raise Malformed where that fails: the others are still compared."""
        with isolated(f"the view of the {self.target.kind} adapter"):
            return self.target.view(order, side)

    def close(self) -> None:
        """Close the connections."""
        for adapter in (self.source, self.target, self.reader):
            if adapter is not None:
                adapter.client.close()

    def _adapter(self, account: ProviderSettings | TargetSettings, kind: type[Any], options: object) -> Any:
        name, scope = account.limit_scope, self._rt.scopes[account.limit_scope]
        # Accounts that share a limit use one share of it together.
        pace = self._paces.setdefault(name, Pace(scope, scope.interval / 1e6 / self._share if self._share < 1 else 0.0))
        client = Client(
            account.url,
            gate=self._rt.maintenance_gate(account, pace),
            headers={},
            deadline=self._rt.settings.clocks.request,
            max_bytes=account.max_bytes,
            throttle_statuses=kind.throttle_statuses,
        )
        return kind(account.name, options, client)


def call_patiently(call: Callable[[], T], patience: float = _PATIENCE) -> T:
    """Return what `call` returns, waiting for limits and for an account that is unavailable for a short time.

    Raises the last error of `call` after `patience` seconds, and at once an error that waiting cannot solve.
    """
    until, tries = time.monotonic() + patience, 0
    while True:
        if stopping():
            raise SnoozeError("this process is shutting down")
        try:
            return call()
        except (AuthFailed, OutOfTime):
            raise
        except SnoozeError as wait:
            delay = wait.delay
            if time.monotonic() + delay > until:
                raise
        except RetryableError:
            tries += 1
            delay = min(backoff(tries), 30.0)
            if time.monotonic() + delay > until:
                raise
        time.sleep(delay)


def walk(account: Provider, since: datetime) -> Iterator[list[Record]]:
    """Yield the pages of all records that changed at or after `since`. The cursor is not kept."""
    cursor, more = account.start(since), True
    while more:
        current = cursor
        records, page = call_patiently(lambda: _fetch(account, current))  # noqa: B023  # called at once
        yield records
        cursor, more = page.cursor, page.more


def _fetch(account: Provider, cursor: str) -> tuple[list[Record], Page]:
    """Return the records of a page, and the page. A record that could not be fetched with it cannot be read."""
    try:
        with isolated(f"the {account.kind} adapter"):
            page = account.fetch(cursor)
    except Unread as unread:
        if unread.account:
            raise
        missing = [Record(Fragment(record.raw, "it could not be fetched")) for record in unread.missing]
        return unread.page.records + missing, unread.page
    return page.records, page


def read(account: Provider, record: Record) -> Order | None:
    """Return the record as an order; None if it cannot be read."""
    try:
        return call_patiently(lambda: to_order(account, record))
    except PermanentError:
        return None


def read_one(account: Provider, external_id: str, patience: float = _PATIENCE) -> Order | None:
    """Return the current order; None if it does not exist. Raises Malformed if it cannot be read."""
    record = call_patiently(lambda: account.fetch_one(external_id), patience)
    if record is None:
        return None
    order = read(account, record)
    if order is None:
        raise Malformed("it cannot be read")
    return order

"""Excuses: a drain or a taker that gives up while its process lives is no dead worker: nothing that it held pays."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from worker.errors import IntakeError, StoreFull
from worker.store.redis import catalog
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.redis.catalog import Argument
    from worker.store.redis.scripts import Scripts


def is_excuse(error: BaseException | None) -> bool:
    """Return whether a run that ended with this error is no fault of what it held.

    A full Redis, a lost lease and a stop are no fault of an order or a job. An unexpected error may be one.
    """
    return error is None or isinstance(error, (IntakeError, *ERRORS)) or not isinstance(error, Exception)


class Excuses:
    """The excuses of this process for one set of members; what Redis does not take now is sent with the next one."""

    def __init__(self, scripts: Scripts, members: str) -> None:
        self._scripts, self._members = scripts, members
        self._waiting: list[tuple[str, list[Argument]]] = []

    def add(self, member: str, held: Sequence[Argument], error: BaseException | None) -> None:
        """Excuse a member that `error` ended; `held` are the hash and the field of each thing that it held."""
        self._waiting.append((member, list(held)))
        if not isinstance(error, ERRORS):  # that Redis is away is known already
            self.send()

    def send(self) -> None:
        """Send the excuses that wait."""
        with suppress(StoreFull, *ERRORS):
            while self._waiting:
                member, held = self._waiting[0]
                self._scripts(catalog.EXCUSE, held, members=self._members, member=member)
                del self._waiting[0]

"""Reading records by their ids where one of them spoils the answer for all: the ids are halved until it is alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.errors import OutOfTime, PermanentError, Unavailable
from worker.http.client import TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Failures in a row after which the account itself is at fault: more than it takes to find one of a hundred ids.
_IN_A_ROW: Final = 8


class Reading:
    """One reading of records by `fetch`; `missing` are the ids that cannot be read, for the `reason` of the last one.

    Raises what `fetch` raises if the other side does not answer at all, or if only failures come. What there is no time
    for is missing as well, once a call has failed.
    """

    def __init__(self, fetch: Callable[[Sequence[str]], list[dict[str, Any]]]) -> None:
        self._fetch, self._failures, self._began = fetch, 0, False
        self.missing: list[str] = []
        self.reason = ""

    def read(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the records of these ids, without the missing ones."""
        try:
            records = self._fetch(ids)
        except OutOfTime as error:
            if not self._began:
                raise
            self.missing += ids
            self.reason = str(error)
            return []
        except (Unavailable, TooLarge) as error:
            self._failures += 1
            self._began = True
            if self._failures >= _IN_A_ROW or (isinstance(error, Unavailable) and not error.answered):
                raise
            if len(ids) == 1:
                self.missing += ids
                self.reason = str(error)
                return []
            half = len(ids) // 2
            try:
                return [*self.read(ids[:half]), *self.read(ids[half:])]
            except PermanentError:
                raise error from None  # the question itself is refused: nothing was learned from it
        self._failures, self._began = 0, True
        return records

"""Receipts: proof that the earlier writes of a run are still in Redis when the run builds on them.

A Redis that begins from a copy has forgotten its last writes: a replica that was late, an append-only file that lacks
its last second, a backup. Each script of a run that must not be forgotten leaves a numbered receipt in the same step as
its writes, and the script that lets go of the source (the page, the job, the hint) demands all of them.
"""

from __future__ import annotations

import secrets
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType


class Receipts:
    """The receipts of one run, as a context manager: each script called within it leaves a receipt, or demands all."""

    def __init__(self) -> None:
        self._token: Token[Receipts | None] | None = None
        self.begin()

    def begin(self) -> None:
        """Begin anew, because everything that depended on the former receipts is done."""
        #: The set that holds the numbers of the receipts, and how many this run has left.
        self.key, self.count = f"intake:receipts:{secrets.token_hex(8)}", 0

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)


#: The receipts of the run of this thread. Outside of a run, no receipt is left and none is demanded.
_current: Final[ContextVar[Receipts | None]] = ContextVar("receipts", default=None)


def current_receipts() -> Receipts | None:
    """Return the receipts of the current run, or None outside of a run."""
    return _current.get()

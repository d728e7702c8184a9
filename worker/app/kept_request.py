"""A Celery request whose message stays with the broker until its task has done its work."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from worker.app.private_request import PrivateRequest
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()


class KeptRequest(PrivateRequest):
    """A request that ends no worker if its message can be neither acknowledged nor given back.

    Then the broker has the message still, and delivers it again, to any worker.
    """

    def acknowledge(self) -> None:
        """Acknowledge the message, if the broker takes it."""
        self._settle(super().acknowledge)

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # Celery's signature
        """Give the message back, if the broker takes it."""
        self._settle(partial(super().reject, requeue))

    def _settle(self, settle: Callable[[], None]) -> None:
        # The channel of Redis that was closed since with its connection knows no server any more.
        reason = "ChannelClosed" if getattr(self._message.channel, "closed", False) else ""  # type: ignore[attr-defined]
        try:
            if not reason:
                settle()
        except ERRORS as error:
            reason = state_of(error).sentence
        if reason:
            log.warning("message.kept", reason=reason, remedy="check Redis; the broker delivers it again")

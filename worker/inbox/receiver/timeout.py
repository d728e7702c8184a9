"""A connection that brings no request in time is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

_LATE = b'{"error":"the request did not come in time"}'


class TimeoutProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, which waits for the head of a request for ever; here, for `seconds`."""

    seconds = 10.0
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """From now on a request is waited for."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """It may have brought the end of a request's head, or not."""
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """From now on the next request is waited for."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._alarm is None:
            self._alarm = self.loop.call_later(self.seconds, self._late)

    def _stop_waiting(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _late(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            headers: list[Any] = [("Content-Type", "application/json"), ("Connection", "close")]
            for event in (h11.Response(status_code=408, headers=headers), h11.Data(data=_LATE), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

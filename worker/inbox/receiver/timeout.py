"""Close a connection on which no request arrives in time, and one that has to make room for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from worker.inbox.receiver.crowd import Crowd

if TYPE_CHECKING:
    import asyncio

_TIMEOUT_BODY = b'{"error":"the request did not come in time"}'


class TimeoutProtocol(H11Protocol):
    """The HTTP protocol of uvicorn with a timeout: uvicorn alone waits for the head of a request for ever."""

    seconds = 10.0
    #: The connections whose senders have proved nothing, by address.
    crowd = Crowd(1000)
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "proved": self._leave}
        self._enter()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop waiting if the data completes the head of a request."""
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """Start waiting for the next request, whose sender has to prove itself again."""
        super().on_response_complete()
        self._leave()
        if not self.transport.is_closing():
            self._enter()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting, because the connection is gone."""
        self._stop_waiting()
        self._leave()
        super().connection_lost(exc)

    def _enter(self) -> None:
        self.crowd.enter(self, self.client[0] if self.client else "", self.transport.abort)

    def _leave(self) -> None:
        self.crowd.leave(self)

    def _wait(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self._time_out)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            headers: list[Any] = [("Content-Type", "application/json"), ("Connection", "close")]
            for event in (
                h11.Response(status_code=408, headers=headers),
                h11.Data(data=_TIMEOUT_BODY),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

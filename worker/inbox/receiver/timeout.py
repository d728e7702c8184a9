"""Close a connection on which no request arrives in time or none that is HTTP, and one that has to make room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from worker.inbox.receiver.crowd import Crowd
from worker.inbox.receiver.refusals import Refusals
from worker.inbox.receiver.strict import HEAD, StrictConnection

if TYPE_CHECKING:
    import asyncio


def _response(status: str, reason: str) -> bytes:
    body = f'{{"error":"{reason}"}}'
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n{body}".encode()


_TIMEOUT = _response("408 Request Timeout", "the request did not come in time")
_BAD = _response("400 Bad Request", "this is not HTTP")


class TimeoutProtocol(H11Protocol):
    """The HTTP protocol of uvicorn with a timeout: uvicorn alone waits for the head of a request for ever."""

    seconds = 10.0
    #: The connections whose senders have proved nothing, by address.
    crowd = Crowd(1000)
    refusals = Refusals()
    _timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request."""
        super().connection_made(transport)
        self.conn = StrictConnection(HEAD)
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
        if self._refused:
            return
        if self._answering():
            self._stop_waiting()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self._time_out)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._end(_TIMEOUT if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0] else b"")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the text of uvicorn
        """Refuse what is not HTTP, as late as any other refusal: a sender that repeats it waits for each."""
        self._refused = True
        self.flow.pause_reading()
        self._stop_waiting()
        delay = self.refusals.note(code=400, reason="not_http")
        self._timer = self.loop.call_later(delay, self._end, _BAD)
        if self._answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _should_upgrade(self) -> bool:
        """Upgrade to nothing, and say nothing: uvicorn would log what to install for it, for each request."""
        return False

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end(self, response: bytes) -> None:
        if not self.transport.is_closing():
            if not (self._answering() and self.cycle.response_started):
                self.transport.write(response)
            self.transport.close()

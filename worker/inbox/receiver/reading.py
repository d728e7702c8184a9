"""Read a request within limits of size, time and number."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from worker.inbox.receiver.crowd import Crowd
from worker.systems.webhook.contract import Call, Refused

if TYPE_CHECKING:
    from starlette.requests import Request


#: Seconds after which a sender should repeat a request that was not accepted.
RETRY_AFTER: Final = 5


class Reader:
    """Reads requests.

    Args:
        most: Most bytes of a body.
        seconds: Most seconds for a body to arrive.
        bodies: Most bodies that arrive at once. A further one makes the oldest go: see `Crowd`.
    """

    def __init__(self, most: int, seconds: float, bodies: int = 100) -> None:
        self.most, self._seconds, self._bodies = most, seconds, Crowd(bodies)

    def head(self, request: Request) -> Call:
        """Return the request without its body. Raise Refused if it announces a body that is too large."""
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self.most:
            raise self._too_large()
        return Call(
            headers=dict(request.headers),
            query=tuple(request.query_params.multi_items()),
            token=request.path_params.get("token", ""),
        )

    async def whole(self, request: Request, head: Call, producer: str) -> Call:
        """Return the whole request of a producer.

        Raise Refused if the body is too large, takes too long, or has to make room for others.
        """
        body, sent_away = bytearray(), False
        timeout = asyncio.timeout(self._seconds)

        def send_away() -> None:
            nonlocal sent_away
            sent_away = True
            timeout.reschedule(0)

        try:
            async with timeout:
                self._bodies.enter(timeout, producer, send_away)
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self.most:
                        raise self._too_large()
        except TimeoutError:
            if sent_away:
                raise Refused(503, "busy", "too many bodies arrive", {"Retry-After": str(RETRY_AFTER)}) from None
            raise Refused(408, "slow", f"the body did not arrive within {self._seconds:g} s") from None
        except ClientDisconnect:
            raise Refused(400, "cut", "the connection was cut before the end of the body") from None
        finally:
            self._bodies.leave(timeout)
        return replace(head, body=bytes(body))

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"the body may have at most {self.most} bytes")


async def read_request(request: Request, most: int, seconds: float) -> Call:
    """Return a whole request of a server whose bodies nobody bounds. Raise Refused as `Reader` does."""
    reader = Reader(most, seconds)
    return await reader.whole(request, reader.head(request), "")

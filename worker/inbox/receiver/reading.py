"""Read a request within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from worker.systems.webhook.contract import Call, Refused

if TYPE_CHECKING:
    from starlette.requests import Request

#: A connection whose request was not read to its end cannot be reused.
_CLOSE: Final = {"Connection": "close"}


async def read_request(request: Request, most: int, seconds: float) -> Call:
    """Return the whole request. Raise Refused if its body exceeds `most` bytes or takes longer than `seconds`."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise Refused(408, "slow", f"the body did not come within {seconds:g} s", _CLOSE) from None
    except ClientDisconnect:
        raise Refused(400, "cut", "the connection was cut before the end of the body") from None
    return Call(
        body=bytes(body),
        headers=dict(request.headers),
        query=tuple(request.query_params.multi_items()),
        token=request.path_params.get("token", ""),
    )


def _too_large(most: int) -> Refused:
    return Refused(413, "too_large", f"the body may have at most {most} bytes")

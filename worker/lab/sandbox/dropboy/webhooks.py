"""The webhooks that Dropboy sends when an order is created."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from worker.lab.sandbox.wire import dump, utc_text

if TYPE_CHECKING:
    from worker.lab.sandbox.dropboy.job import Job

_PATIENCE: Final = aiohttp.ClientTimeout(total=5)


class Webhooks:
    """Sends `createOrder` to each URL, `copies` times, `lag` seconds late, unsigned; a failed one is not repeated."""

    def __init__(self, urls: list[str], copies: int, lag: float) -> None:
        self._urls, self._copies, self._lag = urls, copies, lag
        self._sending: set[asyncio.Task[None]] = set()

    def created(self, job: Job) -> None:
        """Send the webhook of a new order in the background."""
        for url in self._urls * self._copies:
            task = asyncio.get_running_loop().create_task(self._send(url, job))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, url: str, job: Job) -> None:
        await asyncio.sleep(self._lag)
        order = {"orderId": job.id, "wuxusNumber": job.wuxus_number, "createType": "order"}
        body = dump({"name": "createOrder", "sent": utc_text(time.time()), "data": [order]})
        try:
            async with (
                aiohttp.ClientSession(timeout=_PATIENCE) as session,
                session.post(url, data=body, headers={"Content-Type": "application/json"}) as response,
            ):
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            print(f"sandbox: a webhook was not taken: {type(error).__name__}", file=sys.stderr)  # noqa: T201

"""The webhooks that Dropboy sends when an order is created."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from worker.lab.sandbox.dropboy.shape import written
from worker.lab.sandbox.system import dump

if TYPE_CHECKING:
    from worker.lab.sandbox.dropboy.job import Job

_PATIENCE: Final = aiohttp.ClientTimeout(total=5)


class Webhooks:
    """Sends `createOrder` to each URL, `copies` times, `lag` seconds late; unsigned, and never again if it failed."""

    def __init__(self, urls: list[str], copies: int, lag: float) -> None:
        self._urls, self._copies, self._lag = urls, copies, lag
        self._sending: set[asyncio.Task[None]] = set()

    def created(self, job: Job) -> None:
        """Tell of a new order; returns at once."""
        for url in self._urls * self._copies:
            task = asyncio.get_running_loop().create_task(self._send(url, job))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, url: str, job: Job) -> None:
        await asyncio.sleep(self._lag)
        told = {"orderId": job.id, "wuxusNumber": job.wuxus_number, "createType": "order"}
        body = dump({"name": "createOrder", "sent": written(time.time()), "data": [told]})
        try:
            async with (
                aiohttp.ClientSession(timeout=_PATIENCE) as session,
                session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer,
            ):
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            print(f"sandbox: a webhook was not taken: {type(error).__name__}", file=sys.stderr)  # noqa: T201

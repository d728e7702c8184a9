"""The webhooks that Dropboy sends when an order is created."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from worker.lab.sandbox.webhooks import WebhookSender
from worker.lab.sandbox.wire import dump, utc_text

if TYPE_CHECKING:
    from worker.lab.sandbox.dropboy.job import Job


class Webhooks:
    """Sends `createOrder` to each URL, `copies` times, `lag` seconds late, unsigned."""

    def __init__(self, urls: list[str], copies: int, lag: float) -> None:
        self._urls, self._copies, self._lag = urls, copies, lag
        self._sender = WebhookSender(concurrency=100)

    def created(self, job: Job) -> None:
        """Send the webhook of a new order in the background."""
        if self._urls:
            asyncio.get_running_loop().call_later(self._lag, self._send, job)

    def _send(self, job: Job) -> None:
        order = {"orderId": job.id, "wuxusNumber": job.wuxus_number, "createType": "order"}
        body = dump({"name": "createOrder", "sent": utc_text(time.time()), "data": [order]})
        for url in self._urls * self._copies:
            self._sender.send(url, body)

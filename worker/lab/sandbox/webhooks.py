"""Sends the webhooks of the simulated systems."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


class WebhookSender:
    """Posts webhooks in the background: in order, and at most `concurrency` at once.

    A failed one is reported on stderr and not repeated, as no document promises that.
    """

    def __init__(self, concurrency: int) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send one webhook, and return at once."""
        task = asyncio.get_running_loop().create_task(self._send(url, body, headers or {}))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        headers = {"Content-Type": "application/json", **headers}
        try:
            async with (
                self._slots,
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.post(url, data=body, headers=headers) as response,
            ):
                await response.read()
        except (aiohttp.ClientError, OSError) as error:
            print(f"sandbox: a webhook was not taken: {type(error).__name__}", file=sys.stderr)  # noqa: T201

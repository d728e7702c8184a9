"""One producer's webhook: its answer is 202 when its jobs are in the inbox, and never before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from schemas.job import sign
from worker.inbox.receiver.reading import read
from worker.store.redis.connection import ERRORS
from worker.systems.webhook.contract import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from worker.systems.webhook.contract import Call, Webhook

    #: Puts jobs into the inbox; answers when they are there.
    Push = Callable[[Sequence[str | bytes]], object]

log = structlog.get_logger()

#: Requests that may be under way at once: each may hold a body of the largest size.
MOST: Final = 100
#: Jobs that one request may carry.
MOST_JOBS: Final = 10_000
#: Seconds after which a sender that was not served should come again.
RETRY_AFTER: Final = 5


def refusal(refused: Refused) -> Response:
    """The answer to a request that is refused."""
    return JSONResponse({"error": refused.reason}, refused.status, refused.headers)


def unavailable(code: str, reason: str) -> Refused:
    """Not now: nothing was taken in, and the sender keeps what it has."""
    return Refused(503, code, reason, {"Retry-After": str(RETRY_AFTER)})


class Hook:
    """The endpoint of one producer.

    Args:
        sender: How it proves itself, and what its bodies make.
        push: The inbox.
        most: The bytes that a body, and a job, may have.
        seconds: How long a body may take to come.
    """

    under_way = 0

    def __init__(self, sender: Webhook, push: Push, most: int, seconds: float) -> None:
        self.sender, self._push, self._most, self._seconds = sender, push, most, seconds

    async def answer(self, request: Request) -> Response:
        """Answer one request; every way out of here is an answer."""
        began, said = time.monotonic(), {"producer": self.sender.name, "kind": self.sender.producer.kind}
        Hook.under_way += 1
        try:
            count, size = await self._take(request)
        except Refused as refused:
            self._note(began, code=refused.status, reason=refused.code, **said)
            return refusal(refused)
        except Exception:
            # A fault of ours: the sender keeps what it has, and the log says where.
            log.exception("hook.failed", **said)
            return refusal(unavailable("failed", "this could not be taken in now"))
        finally:
            Hook.under_way -= 1
        self._note(began, code=202, jobs=count, bytes=size, **said)
        return JSONResponse({"accepted": count, **self.sender.answer}, 202)

    async def _take(self, request: Request) -> tuple[int, int]:
        if Hook.under_way > MOST:
            raise unavailable("busy", "too many requests are under way")
        call = await read(request, self._most, self._seconds)
        jobs = self._jobs(call, time.time())
        if jobs:
            try:
                await run_in_threadpool(self._push, jobs)
            except ERRORS as error:
                log.error("inbox.away", reason=type(error).__name__, remedy="look at Redis; senders come again")
                raise unavailable("away", "the inbox is away or full") from None
        return len(jobs), len(call.body)

    def _jobs(self, call: Call, now: float) -> list[str | bytes]:
        """The jobs of the call, as they are pushed: signed, because whoever reads them checks it again."""
        self.sender.prove(call, now)
        texts = self.sender.jobs(call)
        if len(texts) > MOST_JOBS:
            raise Refused(413, "too_many", f"one request may carry at most {MOST_JOBS} jobs")
        signed = [sign(self.sender.name, self.sender.secret, int(now), text).model_dump_json() for text in texts]
        jobs: list[str | bytes] = [text.encode() for text in signed]
        if any(len(job) > self._most for job in jobs):
            raise Refused(413, "too_large", f"a job may have at most {self._most} bytes, its signature included")
        return jobs

    @staticmethod
    def _note(began: float, **said: Any) -> None:
        log.info("hook.answered", seconds=round(time.monotonic() - began, 3), **said)

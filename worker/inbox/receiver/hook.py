"""The webhook of one producer. It responds 202 once its jobs are in the inbox, and never before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from schemas.job import sign
from worker.inbox.receiver.reading import read_request
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
from worker.systems.webhook.contract import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from worker.systems.webhook.contract import Call, Webhook

    #: Pushes jobs to the inbox; returns when they are there.
    Push = Callable[[Sequence[str | bytes]], object]

log = structlog.get_logger()

#: Most requests to handle at once: each may hold a body of the largest size.
MAX_REQUESTS: Final = 100
#: Most jobs in one request.
MAX_JOBS: Final = 10_000
#: Seconds after which a sender should repeat a request that was not accepted.
RETRY_AFTER: Final = 5


def refusal(refused: Refused) -> Response:
    """Return the response to a refused request."""
    return JSONResponse({"error": refused.reason}, refused.status, refused.headers)


def unavailable(code: str, reason: str) -> Refused:
    """Return the refusal of a request of which nothing was accepted: the sender must repeat it."""
    return Refused(503, code, reason, {"Retry-After": str(RETRY_AFTER)})


class Hook:
    """The endpoint of one producer.

    Args:
        sender: The webhook kind of the producer: it verifies requests and turns their bodies into jobs.
        push: Pushes jobs to the inbox.
        most: Most bytes of a body, and of a job.
        seconds: Most seconds for a body to arrive.
    """

    running = 0

    def __init__(self, sender: Webhook, push: Push, most: int, seconds: float) -> None:
        self.sender, self._push, self._most, self._seconds = sender, push, most, seconds

    async def answer(self, request: Request) -> Response:
        """Return the response to a request, whatever happens."""
        began, subject = time.monotonic(), {"producer": self.sender.name, "kind": self.sender.producer.kind}
        Hook.running += 1
        try:
            count, size = await self._take(request)
        except Refused as refused:
            self._log_response(began, code=refused.status, reason=refused.code, **subject)
            return refusal(refused)
        except Exception:
            # A bug of ours: the sender repeats the request, and the log names the place.
            log.exception("hook.failed", **subject)
            return refusal(unavailable("failed", "this could not be taken in now"))
        finally:
            Hook.running -= 1
        self._log_response(began, code=202, jobs=count, bytes=size, **subject)
        return JSONResponse({"accepted": count, **self.sender.answer}, 202)

    async def _take(self, request: Request) -> tuple[int, int]:
        if Hook.running > MAX_REQUESTS:
            raise unavailable("busy", "too many requests are under way")
        call = await read_request(request, self._most, self._seconds)
        jobs = self._jobs(call, time.time())
        if jobs:
            try:
                await run_in_threadpool(self._push, jobs)
            except ERRORS as error:
                state = state_of(error)
                log.error("inbox.away", state=state.name, reason=state.sentence, remedy=state.remedy)
                raise unavailable("away", "the inbox is away or full") from None
        return len(jobs), len(call.body)

    def _jobs(self, call: Call, now: float) -> list[str | bytes]:
        """Return the jobs of the call, signed: the reader of the inbox verifies them again."""
        self.sender.prove(call, now)
        texts = self.sender.jobs(call)
        if len(texts) > MAX_JOBS:
            raise Refused(413, "too_many", f"one request may carry at most {MAX_JOBS} jobs")
        signed = [sign(self.sender.name, self.sender.secret, int(now), text).model_dump_json() for text in texts]
        jobs: list[str | bytes] = [text.encode() for text in signed]
        if any(len(job) > self._most for job in jobs):
            raise Refused(413, "too_large", f"a job may have at most {self._most} bytes, its signature included")
        return jobs

    @staticmethod
    def _log_response(began: float, **facts: Any) -> None:
        log.info("hook.answered", seconds=round(time.monotonic() - began, 3), **facts)

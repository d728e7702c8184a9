"""The webhook of one producer. It responds 202 once its jobs are in the inbox, and never before."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from schemas.job import sign
from worker.inbox.receiver.reading import RETRY_AFTER, Reader
from worker.inbox.receiver.refusals import Refusals
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

#: Most requests whose sender is proved to handle at once: each may hold a body of the largest size.
MAX_REQUESTS: Final = 100
#: A larger body is checked beside the other requests.
_SMALL: Final = 65_536


def refusal(refused: Refused) -> Response:
    """Return the response to a refused request."""
    return JSONResponse({"error": refused.reason}, refused.status, refused.headers)


def unavailable(code: str, reason: str) -> Refused:
    """Return the refusal of a request of which nothing was accepted: the sender must repeat it."""
    return Refused(503, code, reason, {"Retry-After": str(RETRY_AFTER)})


@dataclass(slots=True)
class Shared:
    """What the hooks of one receiver share: the limits, and what is under way."""

    reader: Reader
    refusals: Refusals = field(default_factory=Refusals)
    running: int = 0


class Proof:
    """Whether the sender of a request has proved who it is; its connection is then safe from making room for others."""

    def __init__(self, request: Request) -> None:
        self._tell, self.given = getattr(request.state, "proved", None), False

    def give(self) -> None:
        """Note the proof."""
        self.given = True
        if self._tell is not None:
            self._tell()


class Hook:
    """The endpoint of one producer.

    The head of a request is checked before its body is read, and the whole of it before anything else is done.

    Args:
        sender: The webhook kind of the producer: it verifies requests and turns their bodies into jobs.
        push: Pushes jobs to the inbox.
        shared: What all hooks share.
    """

    def __init__(self, sender: Webhook, push: Push, shared: Shared) -> None:
        self.sender, self._push, self._shared = sender, push, shared
        self._subject = {"producer": sender.name, "kind": sender.producer.kind}

    async def answer(self, request: Request) -> Response:
        """Return the response to a request, whatever happens."""
        began, proof = time.monotonic(), Proof(request)
        try:
            count, size = await self._take(request, proof)
        except Refused as error:
            # Without its traceback, which holds the body while the sender waits.
            refused = error.with_traceback(None)
        except Exception:
            # A bug of ours: the sender repeats the request, and the log names the place.
            log.exception("hook.failed", **self._subject)
            return refusal(unavailable("failed", "the job could not be accepted now"))
        else:
            self._log_response(began, code=202, jobs=count, bytes=size)
            return JSONResponse({"accepted": count, **self.sender.answer}, 202)
        if proof.given:
            self._log_response(began, code=refused.status, reason=refused.code)
            return refusal(refused)
        seconds, note = round(time.monotonic() - began, 3), self._shared.refusals.note
        await asyncio.sleep(note(**self._subject, code=refused.status, reason=refused.code, seconds=seconds))
        # What is left of the request is not read, and who comes again has to connect again.
        refused.headers["Connection"] = "close"
        return refusal(refused)

    async def _take(self, request: Request, proof: Proof) -> tuple[int, int]:
        shared, now = self._shared, time.time()
        head = shared.reader.head(request)
        self._prove(lambda sender: sender.prove_head(head, now))
        call = await shared.reader.whole(request, head, self.sender.name)
        if len(call.body) > _SMALL:
            await run_in_threadpool(self._prove, lambda sender: sender.prove(call, now))
        else:
            self._prove(lambda sender: sender.prove(call, now))
        proof.give()
        if shared.running >= MAX_REQUESTS:
            raise unavailable("busy", "too many requests are under way")
        shared.running += 1
        try:
            return await run_in_threadpool(self._accept, call), len(call.body)
        except ERRORS as error:
            state = state_of(error)
            log.error("inbox.away", state=state.name, reason=state.sentence, remedy=state.remedy)
            raise unavailable("away", "the inbox is unreachable or full") from None
        finally:
            shared.running -= 1

    def _prove(self, check: Callable[[Webhook], None]) -> None:
        """Check the proof by the present secret, else by the former one."""
        try:
            check(self.sender)
        except Refused:
            if self.sender.former is None:
                raise
            check(self.sender.former)

    def _accept(self, call: Call) -> int:
        """Push the jobs of the call; return how many they are. A thread does this: others are answered meanwhile."""
        jobs = self._jobs(call, time.time())
        if jobs:
            self._push(jobs)
        return len(jobs)

    def _jobs(self, call: Call, now: float) -> list[str | bytes]:
        """Return the jobs of the call, signed: the reader of the inbox verifies them again.

        It may still have the former secret only, or have forgotten it already: both sign while there are two.
        """
        former = self.sender.former.secret if self.sender.former else None
        texts = self.sender.jobs(call)
        times = self.sender.signed_at(call, len(texts), int(now))
        signed = [
            sign(self.sender.name, self.sender.secret, at, text, former).model_dump_json(exclude_none=True)
            for at, text in zip(times, texts, strict=True)
        ]
        jobs: list[str | bytes] = [text.encode() for text in signed]
        if any(len(job) > self._shared.reader.most for job in jobs):
            raise Refused(
                413, "too_large", f"a job may have at most {self._shared.reader.most} bytes, its signature included"
            )
        return jobs

    def _log_response(self, began: float, **facts: Any) -> None:
        log.info("hook.answered", seconds=round(time.monotonic() - began, 3), **self._subject, **facts)

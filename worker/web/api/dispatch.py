"""What happens around every call of the API: token, role, limits, and problem details for every failure."""

from __future__ import annotations

import json
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from worker.errors import ConfigError, IntakeError, StoreFull
from worker.inbox.receiver.reading import read_request
from worker.store.console.tokens import Token, Tokens
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
from worker.store.redis.timed_retry import waiting_at_most
from worker.systems.webhook.contract import Refused as Unreadable
from worker.telemetry.printable import printable
from worker.web.api.call import Asked, Call, Problem
from worker.web.api.limits import CALLS, REFUSED, CallLimits
from worker.web.proxy import sender_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from worker.web.console import Console
    from worker.web.proxy import Sender

log = structlog.get_logger()

#: Most bytes of a body, and seconds for it to arrive.
_MOST, _SECONDS = 1_000_000, 10.0
#: Seconds that a call that changes nothing waits for Redis, all its commands together.
WAIT: Final = 1.4
_STORE_ERRORS: Final[tuple[type[Exception], ...]] = (StoreFull, *ERRORS)


class CallEndpoint:
    """The function that Starlette calls for a call of the API."""

    def __init__(self, console: Console, limits: CallLimits, call: Call) -> None:
        self._console, self._limits, self._call = console, limits, call

    async def answer(self, request: Request) -> JSONResponse:
        """Return the response to a request, whatever happens."""
        sender = sender_of(request, self._console.web)
        try:
            token = await run_in_threadpool(self._token, request, sender)
            self._admit(token)
            asked = Asked(
                self._console.rt,
                token,
                sender.address,
                values=request.path_params,
                query=self._query(request),
                body=await self._body(request),
            )
            return await run_in_threadpool(self._run, asked)
        except Problem as problem:
            return refusal(problem)
        except _STORE_ERRORS as error:
            return self._away(error)
        except (ConfigError, IntakeError) as error:
            return refusal(Problem(409, "not_now", str(error)))
        except Exception:
            # A bug of ours: the log names the place.
            log.exception("console.failed", page=self._call.path)
            return refusal(Problem(500, "fault", "This call failed because of a bug; the log has the details."))

    def _run(self, asked: Asked) -> JSONResponse:
        with waiting_at_most(WAIT) if self._call.method == "GET" else nullcontext():
            answer = self._call.answer.model_validate(self._call.run(asked))
        return _Json(answer.model_dump(mode="json"))

    def _token(self, request: Request, sender: Sender) -> Token:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        token = Tokens(self._console.rt.redis).read(text.strip()) if kind.lower() == "bearer" else None
        if token is None:
            self._allow(f"address {sender.address}", REFUSED)
            detail = "Send a token: Authorization: Bearer intake_… An operator adds one: intake web token add NAME"
            raise Problem(401, "token", detail, headers={"WWW-Authenticate": 'Bearer realm="intake"'})
        return token

    def _admit(self, token: Token) -> None:
        """Raise Problem if the token may not make this call, or makes too many."""
        self._allow(f"token {token.name}", CALLS)
        if self._call.role is None or not token.may(self._call.role):
            raise Problem(403, "role", f"This call needs the role {self._call.role}; the token is {token.role}.")

    def _allow(self, subject: str, most: int) -> None:
        if wait := self._limits.count(subject, most):
            detail = f"At most {most} calls a minute. Wait, and try again."
            raise Problem(429, "too_often", detail, headers={"Retry-After": f"{wait:.0f}"})

    def _query(self, request: Request) -> BaseModel | None:
        given = request.query_params.multi_items()
        if len({name for name, _ in given}) < len(given):
            raise Problem(400, "invalid", "A parameter is given twice.")
        if self._call.query is None:
            if given:
                raise Problem(400, "invalid", "This call has no parameters.")
            return None
        return _validated(self._call.query, dict(given))

    async def _body(self, request: Request) -> BaseModel | None:
        if self._call.body is None:
            return None
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "media_type", "Send JSON: Content-Type: application/json")
        try:
            body = (await read_request(request, _MOST, _SECONDS)).body
        except Unreadable as refused:
            raise Problem(refused.status, "unreadable", f"The body cannot be read: {refused}.") from None
        try:
            return self._call.body.model_validate_json(body)
        except ValidationError as error:
            raise _invalid(error) from None

    def _away(self, error: Exception) -> JSONResponse:
        state = state_of(error, self._console.rt.redis)
        log.warning("console.blinded", state=state.name, reason=state.sentence, remedy=state.remedy)
        return refusal(Problem(503, "away", f"{state.sentence}. {state.remedy}", headers={"Retry-After": "5"}))


def _validated(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> Problem:
    """Return which fields are wrong, without their values."""
    errors = [
        {"field": ".".join(map(str, each["loc"])) or "(the body)", "message": each["msg"]}
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return Problem(400, "invalid", "Some fields are not valid.", errors=errors)


class _Json(JSONResponse):
    """A response whose hidden characters are JSON escapes: it is also read in terminals and logs."""

    def render(self, content: Any) -> bytes:
        """Return the content as JSON."""
        return printable(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))).encode()


def refusal(problem: Problem) -> JSONResponse:
    """Return the response to a call that is refused."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "errors": problem.errors,
    }
    return _Json(content, problem.status, problem.headers, "application/problem+json")

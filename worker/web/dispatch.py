"""What happens around the function of every page: sign-in, role, form token, and words for every failure."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from worker.errors import ConfigError, IntakeError, StoreFull
from worker.inbox.receiver.reading import read_request
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
from worker.store.redis.timed_retry import waiting_at_most
from worker.systems.webhook.contract import Refused as Unreadable
from worker.web.identity import FORM, SESSION, cookie, identify, set_cookie
from worker.web.page import EVERYBODY, Page, Refused
from worker.web.proxy import sender_of
from worker.web.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from worker.web.console import Console

log = structlog.get_logger()

#: Most bytes of a form, and seconds for it to arrive.
_MOST, _SECONDS = 1_000_000, 10.0
#: Most bytes of a form that anybody may send.
_MOST_OF_STRANGERS: Final = 16_384
#: Seconds that a page waits for Redis, all its commands together, before it says that Redis is slow.
WAIT: Final = 1.4
_STORE_ERRORS: Final[tuple[type[Exception], ...]] = (StoreFull, *ERRORS)
#: The header of the script that refreshes a page: nobody has clicked, so the session may end meanwhile.
_LIVE: Final = "x-live"


class Endpoint:
    """The function that Starlette calls for a page."""

    def __init__(self, console: Console, page: Page) -> None:
        self._console, self._page = console, page

    async def answer(self, request: Request) -> Response:
        """Return the response to a request, whatever happens."""
        form: Mapping[str, Sequence[str]] = {}
        if request.method == "POST":
            if not await run_in_threadpool(self._may_send, request):
                # Nothing of a stranger's body is read; what follows asks for a session.
                response = await run_in_threadpool(self._respond, request, form)
                response.headers["Connection"] = "close"
                return response
            try:
                most = _MOST_OF_STRANGERS if self._page.role == EVERYBODY else _MOST
                body = (await read_request(request, most, _SECONDS)).body
                form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20_000)
            except (Unreadable, ValueError):
                return self._refusal(Visit(self._console, sender_of(request, self._console.web)), _UNREADABLE)
        return await run_in_threadpool(self._respond, request, form)

    def _may_send(self, request: Request) -> bool:
        """Return whether a body may be read: anybody sends the form to sign in, and all others need a session."""
        sender = sender_of(request, self._console.web)
        if self._page.role == EVERYBODY or sender.identity:
            return True
        token = request.cookies.get(cookie(SESSION, sender), "")
        try:
            with waiting_at_most(WAIT):
                return bool(token) and self._console.sessions.read(token, used=False) is not None
        except _STORE_ERRORS:
            return False

    def _respond(self, request: Request, form: Mapping[str, Sequence[str]]) -> Response:
        sender = sender_of(request, self._console.web)
        visit = Visit(
            self._console,
            sender,
            values=request.path_params,
            query=request.query_params,
            form=form,
            path=request.url.path,
            menu=self._page.menu,
            cookies=request.cookies,
        )
        try:
            with waiting_at_most(WAIT):
                return self._show(request, visit)
        except Refused as refused:
            return self._refusal(visit, refused)
        except _STORE_ERRORS as error:
            state = state_of(error, self._console.rt.redis)
            log.warning("console.blinded", state=state.name, reason=state.sentence, remedy=state.remedy)
            return _away(visit, state.sentence, state.remedy)
        except (ConfigError, IntakeError) as error:
            return self._refusal(visit, Refused(409, "That is not possible now", str(error)))
        except Exception:
            # A bug of ours: the log names the place.
            log.exception("console.failed", page=self._page.path)
            text = "This page has a bug; the log has the details. Nothing was done twice."
            return self._refusal(visit, Refused(500, "This page failed", text))

    def _show(self, request: Request, visit: Visit) -> Response:
        if self._page.role == EVERYBODY:
            if request.method == "POST":
                _require(visit.cookies.get(cookie(FORM, visit.sender), ""), visit, request)
            return self._page.show(visit)
        used = _LIVE not in request.headers
        user, session = identify(self._console, visit.sender, visit.cookies, used=used)
        if user is None or session is None:
            there = f"?next={quote(visit.path, safe='')}" if request.method == "GET" and visit.path != "/" else ""
            return RedirectResponse(f"/sign-in{there}", 303)
        visit = replace(visit, user=user, session=session)
        try:
            self._admit(request, visit)
            response = self._page.show(visit)
        except Refused as refused:
            response = self._refusal(visit, refused)
        if visit.cookies.get(cookie(SESSION, visit.sender)) != session.token:
            set_cookie(response, SESSION, session.token, visit.sender)
        return response

    def _admit(self, request: Request, visit: Visit) -> None:
        """Raise Refused if the user may not open this page, or did not send the form from the console."""
        role = self._page.role
        if role is None or role == EVERYBODY or not visit.may(role):
            needs = f" It needs the role {role}." if role else ""
            raise Refused(403, "You may not do this", f"Your role does not allow this.{needs} Ask an operator for it.")
        if request.method == "POST":
            _require(visit.session.csrf if visit.session else "", visit, request)

    @staticmethod
    def _refusal(visit: Visit, refused: Refused) -> Response:
        return visit.render("error.html", refused.status, title=refused.title, text=refused.text)


_UNREADABLE: Final = Refused(400, "This form cannot be read", "Go back, reload the page, and send it again.")


def _require(token: str, visit: Visit, request: Request) -> None:
    """Raise Refused unless the form carries the token, and the browser does not say that another site sent it."""
    foreign = request.headers.get("sec-fetch-site", "same-origin") in {"cross-site", "same-site"}
    if foreign or not token or not secrets.compare_digest(token.encode(), visit.entry("csrf").encode()):
        text = "It is too old, or it was not sent by this console. Go back, reload the page, and send it again."
        raise Refused(403, "This form has expired", text)


def _away(visit: Visit, sentence: str, remedy: str) -> Response:
    """Return the page that says why Redis cannot be used, and tries again by itself."""
    response = visit.render("away.html", 503, sentence=sentence, remedy=remedy)
    response.headers["Retry-After"] = "5"
    return response

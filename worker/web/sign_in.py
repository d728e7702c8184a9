"""Sign in and out: limited attempts, a new session each time, and the same words whatever was wrong."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import RedirectResponse

from worker.web.identity import FORM, SESSION, cookie, set_cookie
from worker.web.page import Page
from worker.web.passwords import verify

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.store.console.attempts import Kind
    from worker.web.visit import Visit

log = structlog.get_logger()

#: Failed attempts of one user name, and of one address, until both have to wait (see `worker/store/console/attempts`).
MOST: Final[dict[Kind, int]] = {"user": 10, "address": 50}
_WRONG: Final = "The name or the password is wrong."


def _form(visit: Visit, status: int = 200, problem: str = "") -> Response:
    token = visit.cookies.get(cookie(FORM, visit.sender)) or secrets.token_urlsafe(32)
    there = visit.entry("next") or visit.query.get("next", "")
    response = visit.render("sign_in.html", status, csrf=token, problem=problem, next=_local(there))
    set_cookie(response, FORM, token, visit.sender)
    return response


def _local(path: str) -> str:
    r"""Return a path of this console, to which the browser may be sent; "/" for anything else, such as `//` or `/\`."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe and not path.startswith("/sign-") else "/"


def _show(visit: Visit) -> Response:
    if visit.console.web.identity_header is not None:
        return RedirectResponse("/", 303)
    return _form(visit)


def _sign_in(visit: Visit) -> Response:
    if visit.console.web.identity_header is not None:
        return RedirectResponse("/", 303)
    console, name, password = visit.console, visit.entry("name").casefold(), "".join(visit.entries("password")[:1])
    subjects: dict[Kind, str] = {"address": visit.sender.address, "user": name}
    # Counted before the password is looked at: many attempts at the same time are many attempts.
    counts = console.attempts.count(subjects)
    for kind, subject in subjects.items():
        if counts[kind] > MOST[kind]:
            log.warning("console.locked", kind=kind)
            minutes = math.ceil(console.attempts.seconds_left(kind, subject) / 60)
            problem = f"Too many attempts. Try again in {minutes} minutes, or let an operator set a new password."
            return _form(visit, 429, problem)
    user = console.users.get(name)
    if not verify(password, user.password if user else "") or user is None:
        log.info("console.refused")
        return _form(visit, 401, _WRONG)
    console.attempts.forget("user", name)
    if former := visit.cookies.get(cookie(SESSION, visit.sender)):
        console.sessions.end(former)
    response = RedirectResponse(_local(visit.entry("next")), 303)
    set_cookie(response, SESSION, console.sessions.start(user).token, visit.sender)
    return response


def _sign_out(visit: Visit) -> Response:
    if visit.session:
        visit.console.sessions.end(visit.session.token)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(cookie(SESSION, visit.sender), secure=visit.sender.secure, httponly=True, samesite="lax")
    return response


PAGES: Final = (
    Page("/sign-in", _show, "everybody"),
    Page("/sign-in", _sign_in, "everybody", "POST"),
    Page("/sign-out", _sign_out, "viewer", "POST"),
)

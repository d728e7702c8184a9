"""The application of the console: every page with its path, and what stands around all of them.

How a page is added:

1. Write a function in `worker/web/pages/` that takes a `Visit` and returns a response:
   `visit.render("NAME.html", ...)`, or after a change `visit.redirect(path, notice)`. It runs in a thread, so it calls
   the runtime (`visit.rt`) and the functions of `worker/operations` directly. Raise `Refused` (or `missing()`) for what
   cannot be shown.
2. Name it in the `PAGES` of its module: path, function, role, method. The role is required: a page without one is
   refused to everybody. `viewer` never sees personal data, `support` sees that of an order, `operator` may do all.
   `menu` is the label in the menu. Add a new module to `PAGES` below.
3. Write the template in `worker/web/templates/`; it extends `layout.html`. Every value is escaped. There is no inline
   script or style: the policy of `headers.py` forbids both. An element with an `id` and `data-live` is refreshed.
4. A form that changes something is a POST and begins with `{{ token() }}` of `parts.html`; the endpoint refuses a POST
   without this token. What has consequences has a page before it that shows them (see `pages/act.py`).
5. Personal data stands in no path and no query: a search is a POST, and an order has its key in its path.

`tests/integration/test_console_access.py` opens every page of `PAGES` without a session and as each role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from worker.web import sign_in
from worker.web.api.call import ROOT, Problem
from worker.web.api.dispatch import refusal
from worker.web.api.routes import api_routes
from worker.web.console import Console, MenuEntry
from worker.web.dispatch import Endpoint
from worker.web.headers import SecurityHeaders
from worker.web.page import EVERYBODY, Page
from worker.web.pages import (
    accounts,
    audit,
    compared,
    correct,
    cursor,
    decide,
    find,
    home,
    lists,
    order,
    pause,
    report,
    static,
)
from worker.web.proxy import sender_of
from worker.web.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from worker.settings.load import Settings


def _health(_: Visit) -> Response:
    """Return that the process responds, for a supervisor: Redis is not asked."""
    return PlainTextResponse("ok")


PAGES: Final[tuple[Page, ...]] = (
    Page("/health", _health, "everybody"),
    *static.PAGES,
    *sign_in.PAGES,
    *home.PAGES,
    *find.PAGES,
    *order.PAGES,
    *decide.PAGES,
    *correct.PAGES,
    *pause.PAGES,
    *lists.PAGES,
    *accounts.PAGES,
    *cursor.PAGES,
    *compared.PAGES,
    *report.PAGES,
    *audit.PAGES,
)


def application(settings: Settings, pages: tuple[Page, ...] = PAGES) -> Starlette:
    """Return the console for these settings. `app.state.console` is what its pages share; close it at the end."""
    console = Console(settings, _menu(pages))

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        if request.url.path.startswith(f"{ROOT}/"):
            return refusal(Problem(status, "no_such_call", "There is no such call. See /api/v1/openapi.json."))
        visit = Visit(console, sender_of(request, console.web))
        title = "This page does not exist" if status == 404 else "That is not possible here"  # noqa: PLR2004
        text = "It may have been moved, or the address has a typo."
        return visit.render("error.html", status, title=title, text=text)

    routes = api_routes(console)
    routes += [Route(page.path, Endpoint(console, page).answer, methods=[page.method]) for page in pages]
    app = Starlette(
        routes=routes, exception_handlers={HTTPException: refused}, middleware=[Middleware(SecurityHeaders)]
    )
    app.router.redirect_slashes = False
    app.state.console = console
    return app


def _menu(pages: tuple[Page, ...]) -> Iterator[MenuEntry]:
    """Yield the entries of the menu in its order: a page that a form or another page leads to has none."""
    for page in pages:
        if page.menu and page.role and page.role != EVERYBODY and page.method == "GET" and "{" not in page.path:
            yield MenuEntry(page.menu, page.path, page.role)

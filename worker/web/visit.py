"""One request to the console, as the function of a page sees it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, RedirectResponse

from worker.errors import StoreFull
from worker.store.audit import Actor, record
from worker.store.redis.connection import ERRORS
from worker.store.redis.timed_retry import wait_to_the_end
from worker.web.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from starlette.responses import Response

    from worker.runtime import Runtime
    from worker.store.audit import Act
    from worker.store.console.sessions import Session
    from worker.store.console.users import Role, User
    from worker.web.console import Console
    from worker.web.proxy import Sender


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: who asks, for what, and with which form."""

    console: Console
    sender: Sender
    #: The values of the path: `{key}` is `values["key"]`.
    values: Mapping[str, str] = field(default_factory=dict)
    #: The query. It never carries personal data, because addresses are written into logs and histories.
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    user: User | None = None
    session: Session | None = None
    #: The path of this request, and the entry of the menu that it belongs to.
    path: str = "/"
    menu: str = ""
    #: The cookies of the browser by name.
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def rt(self) -> Runtime:
        """The runtime: what every command works with too."""
        return self.console.rt

    def may(self, role: Role) -> bool:
        """Return whether the user may do what `role` may do."""
        return self.user is not None and self.user.may(role)

    def entry(self, name: str) -> str:
        """Return the text of a field of the form, without spaces around it; "" if there is none."""
        return next(iter(self.form.get(name, ())), "").strip()

    def entries(self, name: str) -> Sequence[str]:
        """Return every text of a field of the form, as of the boxes that were ticked."""
        return self.form.get(name, ())

    def render(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page: the template with `values`, and with what every page shows."""
        notice = self.session.notice if self.session else ""
        csrf = self.session.csrf if self.session else ""
        shared = {"visit": self, "user": self.user, "csrf": csrf, "notice": notice, "menu": self.console.menu}
        return HTMLResponse(render(template, **{**shared, **values}), status)

    def recorded(
        self, action: str, *accounts: str, orders: Iterable[str] = (), reason: str = "", **given: object
    ) -> AbstractContextManager[Act]:
        """Return the record of what this user does, for `intake audit`; `action` is named like the command.

        What is done is done to its end, however slow Redis is.
        """
        wait_to_the_end()
        actor = Actor(self.user.name if self.user else "", "console", self.sender.address)
        return record(self.rt.redis, actor, action, accounts=accounts, reason=reason, given=given, orders=orders)

    def redirect(self, path: str, notice: str = "") -> Response:
        """Send the browser to another page, which then shows `notice` (no personal data).

        A Redis that is full, or away again, takes no notice: what was done is done, and the page shows it anyway.
        """
        if notice and self.session:
            with suppress(StoreFull, *ERRORS):
                self.console.sessions.tell(self.session, notice)
        return RedirectResponse(path, 303)

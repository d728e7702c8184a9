"""What all pages of the console share: the runtime, the users and their sessions, the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.runtime import Runtime
from worker.store.console.attempts import Attempts
from worker.store.console.sessions import Sessions
from worker.store.console.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.settings.load import Settings
    from worker.web.page import Page


class Console:
    """One console: everything that lives as long as its process."""

    def __init__(self, settings: Settings, pages: Iterable[Page]) -> None:
        self.rt = Runtime(settings, patience="short")
        self.web = settings.web
        self.users = Users(self.rt.redis)
        self.sessions = Sessions(self.rt.redis, idle=self.web.idle, absolute=self.web.session)
        self.attempts = Attempts(self.rt.redis)
        #: The pages that the menu shows, in its order.
        self.menu = [page for page in pages if page.menu and "{" not in page.path and page.method == "GET"]

    def close(self) -> None:
        """Close every connection."""
        self.rt.close()

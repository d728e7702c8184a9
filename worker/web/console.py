"""What all pages of the console share: the runtime, the users and their sessions, the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.runtime import Runtime
from worker.store.console.attempts import Attempts
from worker.store.console.sessions import Sessions
from worker.store.console.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.settings.load import Settings
    from worker.store.console.users import Role


class MenuEntry(NamedTuple):
    """An entry of the menu: its words, the page it leads to, and the role that the page needs."""

    words: str
    path: str
    role: Role


class Console:
    """One console: everything that lives as long as its process."""

    def __init__(self, settings: Settings, menu: Iterable[MenuEntry]) -> None:
        self.rt = Runtime(settings, patience="short")
        self.web = settings.web
        self.users = Users(self.rt.redis)
        self.sessions = Sessions(self.rt.redis, idle=self.web.idle, absolute=self.web.session)
        self.attempts = Attempts(self.rt.redis)
        self.menu = tuple(menu)

    def close(self) -> None:
        """Close every connection."""
        self.rt.close()

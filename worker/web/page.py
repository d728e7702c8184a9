"""A route of the console: its path, the function behind it, and the role that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from worker.store.console.users import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from worker.web.visit import Visit

#: A role, or "everybody": also who has not signed in.
Access = Role | Literal["everybody"]
EVERYBODY: Final = "everybody"


@dataclass(frozen=True, slots=True)
class Page:
    """One path and method. A page that names no role is refused to everybody."""

    path: str
    show: Callable[[Visit], Response]
    role: Access | None = None
    method: Literal["GET", "POST"] = "GET"
    #: The entry of the menu that leads to this page; "" for a page that has none.
    menu: str = ""


class Refused(Exception):
    """A request is refused: the status, and the words for the visitor."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(title)
        self.status, self.title, self.text = status, title, text


def missing(what: str = "This page") -> Refused:
    """Return the refusal of something that is not there."""
    return Refused(404, f"{what} does not exist", "It may have been moved, or the address has a typo.")

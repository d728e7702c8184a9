"""What a simulated system is to the server that runs it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.orders import Draft

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_PHRASES: Final = {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 404: "Not Found"}
_PHRASES_OF_NGINX: Final = {503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}


def dump(value: object) -> bytes:
    """JSON as it goes over the wire."""
    return _encode(value).encode()


@dataclass(slots=True)
class Call:
    """One request, as much of it as a system needs."""

    method: str
    account: str
    #: The path below the account, split and decoded: `("api", "v1", "orders")`.
    parts: tuple[str, ...]
    query: str
    headers: Mapping[str, str]
    body: bytes
    #: The URL of the account as the caller sees it.
    base: str


@dataclass(slots=True)
class Answer:
    """What goes back, and for the journal what was done."""

    status: int
    body: bytes
    did: str
    external_id: str | None = None
    reference: str | None = None
    content_type: str = "application/json"
    headers: dict[str, str] | None = None
    #: Where the records of a page stand in the body, for the fault that breaks one.
    page_key: str | None = None


def phrase(status: int) -> str | None:
    """The reason phrase where it is not the usual one."""
    return _PHRASES_OF_NGINX.get(status)


def web_page(status: int, did: str, text: str = "") -> Answer:
    """The page a web server sends of its own, before or instead of the application."""
    title = text or f"{status} {_PHRASES_OF_NGINX.get(status) or _PHRASES.get(status, 'Error')}"
    head = f"<html>\r\n<head><title>{title}</title></head>\r\n"
    body = f"{head}<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    return Answer(status, body.encode(), did, content_type="text/html")


class System(ABC):
    """One simulated system with all its accounts."""

    name: ClassVar[str]
    #: Seconds that must lie between two calls of one address, or 0.
    default_window: ClassVar[float] = 0.0
    #: The field that the fault `malformed` breaks in a record when it names none.
    fragile_field: ClassVar[str]

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    @property
    @abstractmethod
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by name."""

    @abstractmethod
    def open_account(self, name: str, options: dict[str, str]) -> Account:
        """Set up an account. Takes what it knows out of `options`; raises ValueError on a wrong value."""

    @abstractmethod
    def operation(self, method: str, parts: tuple[str, ...]) -> str:
        """What a call is about (`create`, `list`, `get`, ...), for faults."""

    @abstractmethod
    def answer(self, call: Call, op: str) -> Answer:
        """Do the work. Runs to its end without a pause, so a check and the write after it are one step."""

    @abstractmethod
    def throttled(self) -> Answer:
        """What a call over the limit gets."""

    @abstractmethod
    def refusal(self, status: int) -> Answer:
        """What this system sends along with a status that was asked for as a fault."""

    def refusal_of(self, status: int, code: str) -> Answer:  # noqa: ARG002  # for systems whose errors have codes
        """The same where the fault names an error by its `code`."""
        return self.refusal(status)


class Account(ABC):
    """One account's orders."""

    name: str
    #: What the external ids of made-up orders begin with.
    prefix: str

    @abstractmethod
    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that nobody posted, as written down `at` that moment (or now); returns its id."""

    @abstractmethod
    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order in the system's own words, right or wrong."""

    @abstractmethod
    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Change an order as a user of the system would; False if there is none."""

    @abstractmethod
    def stored(self) -> Iterable[bytes]:
        """All orders, whole, as JSON."""

    @abstractmethod
    def count(self) -> int:
        """How many orders there are."""

"""What the server requires of a simulated system and of its accounts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from worker.lab.sandbox import essence, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sized

    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.journal import Journal

_REASONS: Final = {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 404: "Not Found"}
#: The reason phrases of nginx that differ from the usual ones.
NGINX_REASONS: Final = {503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}


@dataclass(slots=True)
class Call:
    """One request, as far as a system needs it."""

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
class Response:
    """The response to a call, and what the journal notes about it."""

    status: int
    body: bytes
    did: str
    external_id: str | None = None
    reference: str | None = None
    content_type: str = "application/json"
    headers: dict[str, str] | None = None
    #: The field of the body that holds the records of a page, for the fault that breaks one of them.
    page_key: str | None = None


def web_page(status: int, did: str, text: str = "") -> Response:
    """Return the page that a web server sends itself, before or instead of the application."""
    title = text or f"{status} {NGINX_REASONS.get(status) or _REASONS.get(status, 'Error')}"
    head = f"<html>\r\n<head><title>{title}</title></head>\r\n"
    body = f"{head}<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    return Response(status, body.encode(), did, content_type="text/html")


class Account(ABC):
    """One account of a simulated system, with its orders."""

    #: The name of the system.
    system: ClassVar[str]
    _orders: Sized

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        """Take the options of the account out of `options`. Raise ValueError for a wrong value."""
        self.name, self._journal = name, journal
        #: The first characters of the external ids of made-up orders.
        self.prefix = options.pop("prefix", f"{name.upper()}-")

    @abstractmethod
    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that did not come through the API, stored at the moment `at` (or now); return its id."""

    @abstractmethod
    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order in the system's own format, valid or not; return its id."""

    @abstractmethod
    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Change an order as a user of the system would; return False if there is no such order."""

    @abstractmethod
    def stored(self) -> Iterable[bytes]:
        """Return all orders, complete, as JSON."""

    def count(self) -> int:
        """Return the number of orders, duplicates included."""
        return len(self._orders)

    def hide(self, count: int) -> None:  # noqa: ARG002  # for systems with a history
        """Add `count` records of history that are counted but never shown. Raise TypeError without a history."""
        raise TypeError("only retailcrm has a history")

    def _note(
        self,
        did: str,
        external_id: str | None,
        reference: str,
        order: Callable[[], Mapping[str, Any]],
        *,
        by_person: bool = False,
    ) -> None:
        """Write an effect into the journal; `order` returns the order as it is stored now, with its status."""
        columns: dict[str, str | None] = {"external_id": external_id, "reference": reference}
        if by_person:
            columns["by"] = "person"

        def read() -> tuple[Mapping[str, str], standing.Standing]:
            raw = order()
            return essence.OF[self.system](raw), standing.OF[self.system](raw)

        self._journal.effect(self.system, self.name, did, read, **columns)


AccountT = TypeVar("AccountT", bound=Account)


class System(ABC, Generic[AccountT]):
    """One simulated system with all its accounts."""

    name: ClassVar[str]
    #: The least number of seconds between two calls of one address, or 0 for no limit.
    default_window: ClassVar[float] = 0.0
    #: The field that the fault `malformed` breaks in a record when it names none.
    fragile_field: ClassVar[str]
    account_type: type[AccountT]
    #: Method, path and operation of each call; a piece in braces stands for any text. The first match counts.
    routes: ClassVar[tuple[tuple[str, str, str], ...]]
    ignores_case: ClassVar[bool] = False

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.accounts: dict[str, AccountT] = {}

    def open_account(self, name: str, options: dict[str, str]) -> AccountT:
        """Open an account; it takes what it understands out of `options`. Raise ValueError for a wrong value."""
        account = self.accounts[name] = self.account_type(name, options, self._journal)
        return account

    def route(self, method: str, parts: tuple[str, ...]) -> tuple[str, str, dict[str, str]]:
        """Return the operation of a call, its path as in `routes`, and the values of the pieces in braces.

        Faults select a call by its operation: `create`, `list`, `get`, ..., or `unknown`.
        """
        words = tuple(map(str.lower, parts)) if self.ignores_case else parts
        for route_method, path, op in self.routes:
            if route_method != method or path.count("/") + 1 != len(parts):
                continue
            names = path.split("/")
            if all(name[0] == "{" or name == word for name, word in zip(names, words, strict=True)):
                return op, path, {name[1:-1]: part for name, part in zip(names, parts, strict=True) if name[0] == "{"}
        return "unknown", "", {}

    @abstractmethod
    def respond(self, call: Call, op: str) -> Response:
        """Do the work of a call without ever yielding, so that a check and the write after it are one step."""

    @abstractmethod
    def throttled(self) -> Response:
        """Return the response to a call over the limit."""

    @abstractmethod
    def refusal(self, status: int) -> Response:
        """Return the response that this system sends with the status of a fault."""

    def refusal_of(self, status: int, code: str) -> Response:  # noqa: ARG002  # for systems whose errors have codes
        """Return the same where the fault names an error by its `code`."""
        return self.refusal(status)

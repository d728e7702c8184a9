"""What a target is: one system that must hold every order exactly once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pydantic import BaseModel

    from schemas.order import Order
    from worker.errors import IntakeError
    from worker.http.client import Client
    from worker.systems.view import Side, View


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the target says of an order it holds: its own id for it, and whether it was there before we came."""

    target_id: str | None
    existed: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """The target has taken the order in and will make it later.

    `step` is what `resume` needs to ask how it went (no personal data), `delay` the seconds until asking is sensible.
    """

    step: str
    delay: float


class Target(ABC):
    """One configured account of a system that orders are created in.

    It knows neither Redis nor Celery nor the clock, and it keeps nothing between two calls but its credentials.
    """

    kind: ClassVar[str]
    #: The adapter's own keys of a `[targets.NAME]` table.
    Options: ClassVar[type[BaseModel]]
    #: The address of every account, or None if each account has its own.
    default_url: ClassVar[str | None] = None
    default_limit: ClassVar[str]
    documented_limit: ClassVar[str | None]
    limit_per_address: ClassVar[bool] = False
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429})
    #: The system itself refuses a second order of the same reference, and says so.
    dedupes: ClassVar[bool] = False
    #: `find` answering None right after a create whose answer was lost proves that nothing was, or will be, created.
    settles: ClassVar[bool] = True
    #: `find` has to walk through all orders: `everything` costs no more.
    walks: ClassVar[bool] = False
    #: Most orders in one call of `create_many`; 1: it is never called. An account may have a smaller number of its own.
    bulk: int = 1
    #: `update` can carry a change to an order that is there.
    updates: ClassVar[bool] = False
    #: The characters that its ids are known to carry, as a regular expression's character class ("A-Za-z0-9-"), if not
    #: all; the others of a reference are written by means of "_" (worker/systems/references.py).
    alphabet: ClassVar[str | None] = None

    def __init__(self, name: str, options: BaseModel, client: Client) -> None:
        self.name, self.client = name, client
        self.configure(options)

    def configure(self, options: Any) -> None:
        """Take over the account's own options (an instance of `Options`)."""
        self.options = options

    @abstractmethod
    def create(self, order: Order, reference: str) -> Receipt | Pending:
        """Create the order under `reference`. "Already there" is success, and said so (`existed`).

        Raises Rejected (they will not take it), Held (a person has to add a mapping first), Uncertain (it may be there
        now), Unavailable (it is not), …
        """

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> Sequence[Receipt | IntakeError]:
        """Create up to `bulk` orders in one call: what became of each, in their order. Raises what befalls them all."""
        raise NotImplementedError(f"{self.kind} takes one order at a time")

    def absent(self, references: Collection[str]) -> Collection[str]:  # noqa: ARG002  # for those who can
        """Those of `references` that are certainly not there, by one question; the others may be there or not.

        There are up to 50 of them, or `bulk` if that is more. None where it cannot be asked so, or is not to be trusted
        as `find` is: each is asked for by that then. Raises what `find` raises.
        """
        return ()

    def resume(self, order: Order, reference: str, step: str) -> Receipt | Pending:
        """Ask what became of an order that `create` left pending at `step`; asking is safe to repeat.

        Raises Unavailable (ask again), Rejected (they did not take it), …
        """
        raise NotImplementedError(f"{self.kind} leaves nothing pending")

    def update(self, order: Order, reference: str, target_id: str) -> None:
        """Bring the order that is there (its own id there is `target_id`, "" if never told) to what `order` says.

        Saying the same twice changes nothing, so any error may be tried again. Raises Rejected, Held, Unavailable, …
        """
        raise NotImplementedError(f"{self.kind} cannot change an order")

    @abstractmethod
    def find(self, reference: str) -> Receipt | None:
        """The order known by exactly `reference`, or None: what makes an uncertain create recoverable."""

    def everything(self) -> Iterator[tuple[str, Receipt]]:
        """Every order that is there, by its reference. Raises what `find` raises."""
        raise NotImplementedError(f"{self.kind} is asked for one order at a time")

    def reader_options(self) -> dict[str, Any] | None:
        """Return the options with which a provider of the same kind reads this account. Pure.

        The provider must be registered and have a `reference_field`. With None, the default, reconcile cannot list the
        target: it searches for each order by `find`, and discovers missing orders only.
        """
        return None

    def view(self, order: Order, side: Side) -> View:  # noqa: ARG002  # for the adapters that override it
        """Return the fields by which an order in the target is compared with its source (worker/systems/view.py). Pure.

        `side` says where the order was read: from its source, or from this account by a provider of the same kind.
        Both sides have the same fields. With no fields, the default, reconcile compares by presence alone.
        """
        return {}

    @abstractmethod
    def check(self) -> None:
        """Prove the credentials by the cheapest call that needs them. Raises AuthFailed, Unavailable and their like."""

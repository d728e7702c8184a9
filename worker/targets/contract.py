"""What a target is: one system that must hold every order exactly once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pydantic import BaseModel

    from schemas.order import Order
    from worker.http import Client


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the target says of an order it holds: its own id for it, and whether it was there before we came."""

    target_id: str | None
    existed: bool = False


class Target(ABC):
    """One configured account of a system that orders are created in.

    It knows neither Redis nor Celery nor the clock, and it keeps nothing between two calls but its credentials.
    """

    kind: ClassVar[str]
    #: The adapter's own keys of a `[targets.NAME]` table.
    Options: ClassVar[type[BaseModel]]
    default_limit: ClassVar[str]
    documented_limit: ClassVar[str | None]
    limit_per_address: ClassVar[bool] = False
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429})
    #: The system itself refuses a second order of the same reference, and says so.
    dedupes: ClassVar[bool] = False

    def __init__(self, name: str, options: BaseModel, client: Client) -> None:
        self.name, self.client = name, client
        self.configure(options)

    def configure(self, options: Any) -> None:
        """Take over the account's own options (an instance of `Options`)."""
        self.options = options

    @abstractmethod
    def create(self, order: Order, reference: str) -> Receipt:
        """Create the order under `reference`. "Already there" is success, and said so (`existed`).

        Raises Rejected (they will not take it), Uncertain (it may be there now), Unavailable (it is not), …
        """

    @abstractmethod
    def find(self, reference: str) -> Receipt | None:
        """The order known by exactly `reference`, or None: what makes an uncertain create recoverable."""

    @abstractmethod
    def check(self) -> None:
        """Prove the credentials by the cheapest call that needs them. Raises AuthFailed, Unavailable and their like."""

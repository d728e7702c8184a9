"""The contract of a target: a system that must hold every order exactly once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from schemas.cancellation import cancellation, stop
from schemas.order import Status
from worker.errors import Held, PermanentError
from worker.systems.declared import require_declared

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pydantic import BaseModel

    from schemas.changes import Changes
    from schemas.order import Order
    from worker.errors import IntakeError
    from worker.http.client import Client
    from worker.systems.view import Side, View


@dataclass(frozen=True, slots=True)
class Receipt:
    """An order that the target holds: its own id for the order, and whether the order existed before this call."""

    target_id: str | None
    existed: bool = False
    #: What `find` read of the order, for `recognize` of the same adapter.
    content: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """The target accepted the order and will create it later.

    `resume` needs `step` (without personal data) to ask for the outcome, after `delay` seconds.
    """

    step: str
    delay: float


@dataclass(frozen=True, slots=True)
class Need:
    """A field of `Order` that a target needs, such as "lines.sku", for `intake check`.

    Where a provider never has it, `effect` is what happens to its orders, and `remedy` what to write.
    """

    field: str
    effect: str
    remedy: str
    #: Whether the target creates no order without the field.
    required: bool = True


class Target(ABC):
    """One configured account of a system that orders are created in.

    It knows neither Redis nor Celery nor the clock, and it keeps nothing but its credentials between two calls.
    """

    kind: ClassVar[str]
    #: The adapter's own keys of a `[targets.NAME]` table.
    Options: ClassVar[type[BaseModel]]
    #: The address of every account, or None if each account has its own.
    default_url: ClassVar[str | None] = None
    #: The same as of a provider (see `worker/systems/provider.py`), as are the next three.
    default_limit: ClassVar[str]
    documented_limit: ClassVar[str | None]
    limit_per_address: ClassVar[bool] = False
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429})
    #: The options that tell an account from the others of the kind at the same address (as of a provider).
    identified_by: ClassVar[tuple[str, ...]] = ()
    #: The system itself refuses a second order with the same reference, and reports that it exists.
    dedupes: ClassVar[bool] = False
    #: If `find` returns None right after a create without a response, nothing was created, or will be. Every target
    #: must declare it: True where it is False creates orders twice, and False where it is True makes them wait.
    settles: ClassVar[bool]
    #: `find` has to list all orders, so that `everything` costs no more.
    walks: ClassVar[bool] = False
    #: The most orders in one call of `create_many`; 1: it is never called. An account may set a smaller number.
    bulk: int = 1
    #: `update` can change an order that exists.
    updates: ClassVar[bool] = False
    #: The characters that its ids can hold, as a character class of a regular expression ("A-Za-z0-9-"); None: all.
    #: The other characters of a reference are escaped with "_" (worker/systems/references.py).
    alphabet: ClassVar[str | None] = None
    #: The most characters that its ids can hold; None: any number. A longer reference ends with a digest.
    longest: ClassVar[int | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in vars(cls):
            require_declared(cls, Target)

    def __init__(self, name: str, options: BaseModel, client: Client) -> None:
        self.name, self.client = name, client
        self.configure(options)

    def configure(self, options: Any) -> None:
        """Take over the account's own options (an instance of `Options`)."""
        self.options = options

    @abstractmethod
    def create(self, order: Order, reference: str) -> Receipt | Pending:
        """Create the order under `reference`. An order that exists already is a success, with `existed` set.

        Raises Rejected (the target refuses the order), Held (a person has to add a mapping first), Uncertain (it may
        exist now), Unavailable (it does not), and others.
        """

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> Sequence[Receipt | IntakeError]:
        """Create up to `bulk` orders in one call. Return the outcome of each, in their order.

        Raises the errors that concern all of them.
        """
        raise NotImplementedError(f"{self.kind} accepts one order at a time")

    def absent(self, references: Collection[str]) -> Collection[str]:  # noqa: ARG002  # for the adapters that override it
        """Return those of `references` that certainly do not exist, by one call. The others may exist or not.

        There are up to 50 references, or `bulk` if that is more. With the default, none, each is searched by `find`: a
        target may have no such call, or none that can be trusted as much. Raises what `find` raises.
        """
        return ()

    def resume(self, order: Order, reference: str, step: str) -> Receipt | Pending:
        """Ask for the outcome of an order that `create` left pending at `step`. It is safe to ask again.

        Raises Unavailable (ask again), Rejected (the target refused the order), and others.
        """
        raise NotImplementedError(f"{self.kind} leaves nothing pending")

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        """Write what changed in `order` since it was sent. Its id in the target is `target_id`, "" if it is not known.

        Nothing but `changes` is written: what people changed in the target stays. A second call changes nothing, so
        that it may be repeated after any error. Raises Rejected, Held, Unavailable, and others.
        """
        raise NotImplementedError(f"{self.kind} cannot change an order")

    def cancel(self, order: Order, reference: str, target_id: str) -> None:  # noqa: ARG002  # for the adapters that override it
        """Cancel the existing order: it is not to be shipped any more. `target_id` is the same as of `update`.

        The order may have neither lines nor addresses: it may have been deleted at the source. A second call changes
        nothing, and an order that is not there any more needs no cancellation. With the default, a person has to
        cancel it. Raises Held, Rejected, Unavailable, and others.
        """
        raise Held(
            f"{cancellation(order)}, and {self.kind} cannot cancel an order: cancel {reference} there by hand, "
            f"then: intake release {self.name} {order.key} --drop"
        )

    def expresses(self, status: Status) -> bool:  # noqa: ARG002  # as above
        """Return whether `update` gives an order of this status a status of this account. Pure.

        It is asked for "on_hold", and for the statuses of a cancellation: those that it expresses are not cancelled by
        `cancel`, but updated.
        """
        return False

    def cancels(self, order: Order) -> bool:
        """Return whether `change` stops the order by `cancel`, which writes nothing but that. Pure."""
        updated = self.updates and not order.removed and self.expresses(order.status)
        return bool(cancellation(order)) and not updated

    def change(
        self, order: Order, reference: str, target_id: str, changes: Changes
    ) -> Literal["updated", "cancelled", "cancelled_alone"]:
        """Update the existing order, or cancel it if it is not to be shipped any more.

        A cancellation never waits for what else changed: if the order cannot be updated, it is cancelled alone. Raises
        Held if the system cannot, and what `update` and `cancel` raise.
        """
        if self.cancels(order):
            self.cancel(order, reference, target_id)
            return "cancelled" if cancellation(order) else "updated"
        by_hand = f"by hand, then: intake release {self.name} {order.key} --drop"
        if order.status is Status.ON_HOLD and not self.expresses(order.status):
            raise Held(f"{stop(order)}, and {self.kind} has no status for that: stop {reference} there {by_hand}")
        if not self.updates:
            raise Held(f"{self.kind} cannot change an order: change {reference} there {by_hand}")
        if not cancellation(order):
            self.update(order, reference, target_id, changes)
            return "updated"
        try:
            self.update(order, reference, target_id, changes)
        except (Held, PermanentError):
            self.cancel(order, reference, target_id)
            return "cancelled_alone"
        return "cancelled"

    @abstractmethod
    def find(self, reference: str) -> Receipt | None:
        """Return the order with exactly this reference, or None. It settles a create without a response."""

    def recognize(self, order: Order, reference: str, receipt: Receipt, *, changed: bool) -> None:  # noqa: B027
        """Raise Held if the order that `find` returned is somebody else's, as far as its content tells.

        `changed`: the order may have been sent with other content than it has now. With the default, each is ours.
        """

    def everything(self) -> Iterator[tuple[str, Receipt]]:
        """Yield the reference and the receipt of every order. Raises what `find` raises."""
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

    def needs(self) -> Sequence[Need]:
        """Return the fields without which this account does not create an order, or not as people expect. Pure."""
        return ()

    @abstractmethod
    def check(self) -> None:
        """Check the credentials by the cheapest call that needs them. Raises AuthFailed, Unavailable and others."""

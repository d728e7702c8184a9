"""The adapters of the simulated systems: small, over the real `worker.http.client.Client`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from schemas.order import Order
from worker.errors import Held, Malformed, Rejected, Unavailable, Uncertain
from worker.systems.provider import Page, Provider, Record
from worker.systems.target import Pending, Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from schemas.changes import Changes
    from worker.errors import IntakeError


class ShopOptions(BaseModel):
    """No options."""


class DepotOptions(BaseModel):
    """The capabilities of the target: see `worker.systems.target.Target`."""

    updates: bool = False
    dedupes: bool = False
    settles: bool = True
    bulk: int = 1
    steps: bool = False


class Shop(Provider):
    """A feed of changed orders, by number."""

    kind = "shop"
    Options = ShopOptions
    default_limit, documented_limit, default_poll_every = "10/s", None, 60.0

    def start(self, since: datetime) -> str:
        return "0"

    def fetch(self, cursor: str) -> Page:
        body = self.client.read("/feed", [("after", cursor)]).json()
        if not isinstance(body, dict):
            raise Unavailable("not a page")
        return Page([Record(raw) for raw in body["items"]], body["next"], more=body["more"])

    def fetch_one(self, external_id: str) -> Record | None:
        answer = self.client.read(f"/orders/{external_id}", accept=frozenset({404}))
        return None if answer.status == 404 else Record(answer.json())

    def normalize(self, record: Record) -> Order:
        raw = record.raw
        if raw["note"].startswith("bad"):
            raise Malformed("lines: none", "lines")
        return Order.model_validate(content(self.name, raw))

    def check(self) -> None:
        return


def content(provider: str, raw: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the order in a shop's record."""
    return {
        "provider": provider,
        "external_id": raw["id"],
        "status": "cancelled" if raw["note"].startswith("cancelled") else "new",
        "test": raw["note"].startswith("test"),
        "ordered_at": raw["placed"],
        "lines": [{"name": "Mug", "quantity": 2, "unit_price": "9.90"}],
        "totals": {"grand": "19.80"},
        "note": raw["note"],
        "version": raw["version"],
    }


class Depot(Target):
    """Accepts orders under a reference, and duplicates unless its options say that it refuses them."""

    kind = "depot"
    Options = DepotOptions
    default_limit, documented_limit, settles = "10/s", None, True

    def configure(self, options: Any) -> None:
        self.options = options
        self.updates, self.dedupes = options.updates, options.dedupes  # type: ignore[misc]  # each depot has its own traits
        self.settles, self.bulk = options.settles, options.bulk  # type: ignore[misc]  # as above

    @staticmethod
    def _body(order: Order, reference: str) -> dict[str, Any]:
        sums = {"version": order.version, "sum": order.fingerprint()}
        return {"reference": reference, "key": order.key, "note": order.note, **sums}

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        (made,) = self._create([self._body(order, reference)])
        if isinstance(made, Exception):
            raise made
        return made

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> list[Receipt | IntakeError]:
        # A depot that works in steps returns them for a batch too: the contract does not allow it, but it is harmless.
        return self._create([self._body(order, reference) for order, reference in batch])  # type: ignore[return-value]

    def _create(self, bodies: list[dict[str, Any]]) -> list[Receipt | Pending | IntakeError]:
        body = self.client.write("POST", "/orders", json=bodies).json()
        if not isinstance(body, list) or len(body) != len(bodies):
            raise Uncertain("not the response to a create")
        return [self._made(item) for item in body]

    @staticmethod
    def _made(body: dict[str, Any]) -> Receipt | Pending | IntakeError:
        match body["is"]:
            case "refused":
                return Rejected("note", {"note": "is not to their taste"})
            case "unmapped":
                return Held("no product for it")
            case "taken":
                return Pending(body["id"], 2.0)
            case _:
                return Receipt(body["id"], existed=body["is"] == "there")

    def resume(self, order: Order, reference: str, step: str) -> Receipt | Pending:
        body = self.client.read(f"/steps/{step}").json()
        if not isinstance(body, dict):
            raise Unavailable("not the response to a read")
        return Pending(step, 2.0) if body["is"] == "taken" else Receipt(body["id"])

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        self._change(order, reference)

    def _change(self, order: Order, reference: str) -> None:
        body = self.client.write("PUT", f"/orders/{reference}", json=self._body(order, reference)).json()
        if body == {"is": "refused"}:
            raise Rejected("note", {"note": "is not to their taste"})
        if body == {"is": "unmapped"}:
            raise Held("no product for it")
        if body != {"is": "changed"}:
            raise Uncertain("not the response to an update")

    def cancel(self, order: Order, reference: str, target_id: str) -> None:
        self._change(order, reference)

    def find(self, reference: str) -> Receipt | None:
        body = self.client.read("/orders", [("reference", reference)]).json()
        if not isinstance(body, list):
            raise Unavailable("not a list")
        return Receipt(body[0], existed=True) if body else None

    def check(self) -> None:
        return


PROVIDERS: Final = {"shop": Shop}
TARGETS: Final = {"depot": Depot}

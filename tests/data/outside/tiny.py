"""An adapter package of somebody else: a provider, a target with a view, and a webhook kind, by entry points alone.

It speaks to the simulated Dropday under another kind, so that nothing of Intake can know it by name.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from worker.systems.dropday.provider import Dropday as Provider
from worker.systems.dropday.provider import DropdayOptions as ProviderOptions
from worker.systems.dropday.target import Dropday as Target
from worker.systems.dropday.target import DropdayOptions as TargetOptions
from worker.systems.view import listing, number, text_of
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import hints

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.view import Side, View
    from worker.systems.webhook.contract import Call


class TinyProviderOptions(ProviderOptions):
    """The keys of a provider."""

    shelf: str = "all"


class TinyTargetOptions(TargetOptions):
    """The keys of a target."""

    shelf: str = "all"


class TinyWebhookOptions(BaseModel):
    """The keys of a producer."""

    header: str = "x-tiny"


class TinyProvider(Provider):
    """Reads orders."""

    kind: ClassVar[str] = "tiny"
    Options: ClassVar[type[BaseModel]] = TinyProviderOptions


class TinyTarget(Target):
    """Creates orders, and is compared by what they contain and where they go."""

    kind: ClassVar[str] = "tiny"
    Options: ClassVar[type[BaseModel]] = TinyTargetOptions

    def reader_options(self) -> dict[str, Any]:
        """Return the same account's."""
        return {**super().reader_options(), "shelf": "all"}

    def view(self, order: Order, side: Side) -> View:
        """Return goods and city, the same for both sides."""
        goods = listing(f"{number(line.quantity)} x {text_of(line.name)}" for line in order.lines)
        return {"goods": goods, "city": text_of(order.shipping_address.city)}


class TinyWebhook(Webhook):
    """The body is a list of ids; the header that the options name holds the HMAC-SHA256 of the body."""

    kind: ClassVar[str] = "tiny"
    Options: ClassVar[type[BaseModel]] = TinyWebhookOptions
    hints_only: ClassVar[bool] = True
    answer: ClassVar[dict[str, Any]] = {"tiny": "thanks"}

    def configure(self, options: TinyWebhookOptions) -> None:
        """Take over the producer's options."""
        self.options: TinyWebhookOptions = options

    def prove(self, call: Call, now: float) -> None:
        """Check the signature."""
        wanted = hmac.new(self.secret.encode(), call.body, "sha256").hexdigest()
        sent = call.headers.get(self.options.header, "")
        if not hmac.compare_digest(wanted.encode(), sent.encode()):
            raise Refused(401, "signature", "the signature is missing or wrong")

    def jobs(self, call: Call) -> list[str]:
        """Return a hint for each id."""
        try:
            ids = json.loads(call.body)
        except (ValueError, RecursionError):
            ids = None
        if not isinstance(ids, list):
            raise Refused(400, "not_ids", "the body is not a list of ids")
        return hints(self.provider, ids)

    def operation(self) -> dict[str, Any]:
        """Return a list of ids."""
        header = {"name": self.options.header, "in": "header", "schema": {"type": "string"}}
        schema = {"type": "array", "items": {"type": "string"}}
        return {"parameters": [header], "requestBody": {"content": {"application/json": {"schema": schema}}}}

"""The kinds of webhooks by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from worker.systems.dropboy.webhook import Dropboy
from worker.systems.ordercloud.webhook import OrderCloud
from worker.systems.registry import load_kinds
from worker.systems.retailcrm.webhook import RetailCRM
from worker.systems.webhook.contract import Webhook
from worker.systems.webhook.signed import Signed
from worker.systems.webhook.standard import Standard

if TYPE_CHECKING:
    from worker.settings.load import Settings

BUILT_IN: Final[dict[str, type[Webhook]]] = {
    Dropboy.kind: Dropboy,
    OrderCloud.kind: OrderCloud,
    RetailCRM.kind: RetailCRM,
    Signed.kind: Signed,
    Standard.kind: Standard,
}


@cache
def webhook_kinds() -> dict[str, type[Webhook]]:
    """Return the built-in kinds and those that other packages bring under the entry point `intake.webhooks`.

    Raises ConfigError for an entry point that cannot be used.
    """
    return load_kinds("intake.webhooks", Webhook, BUILT_IN)


def senders(settings: Settings) -> list[Webhook]:
    """Return the webhooks of each producer that has a kind."""
    return [
        webhook_kinds()[producer.kind](name, producer, settings.inbox.tolerance)
        for name, producer in settings.producers.items()
        if producer.kind is not None
    ]

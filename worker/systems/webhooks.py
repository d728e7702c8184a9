"""The kinds of webhooks by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from worker.systems.registry import Kinds, load_kinds
from worker.systems.webhook.contract import Webhook

if TYPE_CHECKING:
    from worker.settings.load import Settings

BUILT_IN: Final = {
    "dropboy": "worker.systems.dropboy.webhook:Dropboy",
    "ordercloud": "worker.systems.ordercloud.webhook:OrderCloud",
    "retailcrm": "worker.systems.retailcrm.webhook:RetailCRM",
    "signed": "worker.systems.webhook.signed:Signed",
    "standard": "worker.systems.webhook.standard:Standard",
}


@cache
def webhook_kinds() -> Kinds[Webhook]:
    """Return the built-in kinds and those that other packages bring under the entry point `intake.webhooks`.

    Raises ConfigError for an entry point that cannot be used.
    """
    return load_kinds("intake.webhooks", Webhook, BUILT_IN)


def senders(settings: Settings) -> list[Webhook]:
    """Return the webhooks of each producer that has a kind."""
    return [
        webhook_kinds()[producer.kind](name, producer, settings.tolerance_of(name))
        for name, producer in settings.producers.items()
        if producer.kind is not None
    ]

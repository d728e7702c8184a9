"""The kinds of webhooks by their names in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.systems.dropboy.webhook import Dropboy
from worker.systems.ordercloud.webhook import OrderCloud
from worker.systems.retailcrm.webhook import RetailCRM
from worker.systems.webhook.signed import Signed
from worker.systems.webhook.standard import Standard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.settings.load import Settings
    from worker.settings.producers import HookKind
    from worker.systems.webhook.contract import Sender

KINDS: Final[Mapping[HookKind, type[Sender]]] = {
    "ordercloud": OrderCloud,
    "retailcrm": RetailCRM,
    "dropboy": Dropboy,
    "standard": Standard,
    "signed": Signed,
}


def senders(settings: Settings) -> list[Sender]:
    """The producers that send webhooks."""
    return [
        KINDS[producer.kind](name, producer, settings.inbox.tolerance)
        for name, producer in settings.producers.items()
        if producer.kind is not None
    ]

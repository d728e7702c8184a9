"""The kinds of webhooks by their names in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.receive.dropboy import Dropboy
from worker.receive.ordercloud import OrderCloud
from worker.receive.retailcrm import RetailCRM
from worker.receive.signed import Signed
from worker.receive.standard import Standard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.producers import HookKind
    from worker.receive.contract import Sender
    from worker.settings import Settings

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

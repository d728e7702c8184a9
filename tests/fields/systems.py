"""The adapters whose fields are followed, with all options that let a field through."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Order
from support.sandbox import Sandbox
from support.settings_texts import BY_PROVIDER, route, table
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.systems.provider import Provider
    from worker.systems.target import Target

FULL: Final = Path(__file__).parents[1] / "data" / "full"
#: The display names of the systems, by kind.
NAMES: Final = {
    "retailcrm": "RetailCRM",
    "dropstream": "DropStream",
    "ordercloud": "OrderCloud",
    "dropday": "Dropday",
    "dropboy": "Dropboy",
}
_PROVIDERS: Final[dict[str, dict[str, Any]]] = {
    "retailcrm": {"api_key": Sandbox.KEY, "time_zone": "Europe/Moscow"},
    "dropstream": {"user": "u", "password": Sandbox.KEY, "assume_quantity": "one"},
    "ordercloud": {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY, "direction": "Incoming"},
    "dropday": {"api_key": Sandbox.KEY, "account_id": Sandbox.ACCOUNT_ID},
    "dropboy": {"api_key": Sandbox.KEY, "currency": "DKK"},
}
#: The skus of the full records.
_SKUS: Final = ("MUG-1", "MUG-BLUE", "MUG", "CAP", "CAP-1", "BC-1", "pallet", "P-2")
_TARGETS: Final[dict[str, dict[str, Any]]] = {
    "retailcrm": {
        "api_key": Sandbox.KEY,
        "time_zone": "Europe/Amsterdam",
        "status_map": {"new": "new", "cancelled": "cancel-other", "paid": "prepayed", "shipped": "send-to-delivery"},
        "payment_map": {"card": "bank-card"},
    },
    "ordercloud": {
        "client_id": Sandbox.ACCOUNT_ID,
        "client_secret": Sandbox.KEY,
        "buyer_id": "web",
        "user_id": "web-shop",
        "product_map": {"MUG": "mug", "TEA": "tea", "MUGx": "pot"} | dict.fromkeys(_SKUS, "mug"),
    },
    "dropday": {"api_key": Sandbox.KEY, "account_id": Sandbox.ACCOUNT_ID, "placeholder": "-"},
    "dropboy": {
        "api_key": Sandbox.KEY,
        "time_zone": "Europe/Amsterdam",
        "price": "send",
        "currency": "EUR",
        "origin": {"address": "Dock Rd 1", "zip_code": "8000", "city": "Aarhus"},
    },
}
#: The currency of each full record: an account of OrderCloud or Dropboy has one.
CURRENCIES: Final = {"retailcrm": "RUB", "dropstream": "USD", "ordercloud": "USD", "dropday": "EUR", "dropboy": "DKK"}
_ACCOUNTS: Final = tuple(
    account
    for name in ("main", "RUB", "USD", "EUR", "DKK")
    for account in (
        f"retailcrm:{name}",
        f"ordercloud:{name}:currency={'EUR' if name == 'main' else name}:products=mug+tea+pot",
        f"dropday:{name}",
        f"dropboy:{name}:processing=0",
    )
)


def full_record(kind: str) -> dict[str, Any]:
    """Return the record of the system that has every field that it documents."""
    record: dict[str, Any] = json.loads((FULL / f"{kind}.json").read_text("utf-8"), parse_float=Decimal)
    return record


def simulators() -> Sandbox:
    """Return the simulators of all systems, empty."""
    return Sandbox(accounts=_ACCOUNTS, systems=",".join(NAMES), limits=["retailcrm=off"])


@contextmanager
def adapters() -> Iterator[tuple[dict[str, Provider], dict[str, Target]]]:
    """Yield an adapter of each provider and of each target by its kind, connected with the simulators."""
    with simulators() as box, ExitStack() as open_clients:

        def adapter(registered: Any, options: dict[str, Any]) -> Any:
            client = Client(box.url(registered.kind), gate=Open(), headers={})
            open_clients.callback(client.close)
            return registered("shop", registered.Options.model_validate(options), client)

        providers, targets = provider_kinds(), target_kinds()
        yield (
            {kind: adapter(providers[kind], options) for kind, options in _PROVIDERS.items()},
            {kind: adapter(targets[kind], options) for kind, options in _TARGETS.items()},
        )


def settings_text(box: Sandbox) -> str:
    """Return the settings in which every provider sends to an account of every target in the provider's currency."""
    tables = [
        table(f"providers.from-{kind}", kind=kind, url=box.url(kind), **_with_secrets(options))
        for kind, options in _PROVIDERS.items()
    ]
    for currency in sorted(set(CURRENCIES.values())):
        for kind, options in _TARGETS.items():
            own = options | ({"currency": currency} if "currency" in options else {})
            name = f"targets.{kind}-{currency.lower()}"
            tables.append(table(name, kind=kind, url=box.url(kind, currency), **_with_secrets(own)))
    for kind, currency in CURRENCIES.items():
        targets = [f"{target}-{currency.lower()}" for target in _TARGETS]
        tables.append(route(f"from-{kind}", *targets, reference=BY_PROVIDER))
    return "\n".join(tables)


def _with_secrets(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the names of environment variables instead of secrets."""
    secrets = {Sandbox.KEY: "env:TEST_KEY", Sandbox.ACCOUNT_ID: "env:TEST_ACCOUNT"}
    return {key: secrets.get(value, value) if isinstance(value, str) else value for key, value in options.items()}


def full_order() -> Order:
    """Return an order with every field that an order can have, which every target accepts."""
    return Order.model_validate(
        json.loads(Path(__file__).with_name("order.json").read_text("utf-8"), parse_float=Decimal)
    )

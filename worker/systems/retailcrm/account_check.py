"""The check of a RetailCRM account as a target: what its API key may do, its sites, and the codes of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.retailcrm_reference import Codes, Credentials
from worker.errors import ConfigError, Unavailable
from worker.systems.parsing import parse
from worker.systems.retailcrm.account import FORBIDDEN, NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.systems.retailcrm.account import Account
    from worker.systems.retailcrm.options import RetailCRMOptions

_WRITE: Final = "order_write"
_MAY_NOT: Final = frozenset({FORBIDDEN, NOT_FOUND})


def check_account(account: Account, options: RetailCRMOptions, name: str) -> None:
    """Raise ConfigError for what every order, or every order with a code, would be refused for.

    A key that may not read its own permissions or the reference data leaves its part unchecked.
    """
    account.settings()
    check_site(account, options.site, name)
    for setting, path, field, codes in (
        ("status_map", "statuses", "statuses", options.status_map.values()),
        ("delivery_map", "delivery-types", "deliveryTypes", options.delivery_map.values()),
        ("payment_map", "payment-types", "paymentTypes", options.payment_map.values()),
    ):
        if codes:
            known = _codes(account, path, field)
            if known is not None and (unknown := sorted(set(codes) - known)):
                raise ConfigError(
                    "intake.toml",
                    f"targets.{name}.{setting}",
                    f"the account has no code {', '.join(unknown)}, and would refuse orders with it",
                    f"Write one of: {', '.join(sorted(known))}",
                )


def check_site(account: Account, site: str | None, name: str) -> None:
    """Raise ConfigError if the key needs a site and none is named, or does not reach the one that is."""
    answer = account.read("/api/credentials", accept=_MAY_NOT)
    if answer.status in _MAY_NOT:
        return
    found = parse(answer.request, lambda: Credentials.model_validate(answer.json()), Unavailable)
    where = f"targets.{name}"
    if found.scopes and _WRITE not in found.scopes:
        raise ConfigError(
            "intake.toml", f"{where}.api_key", f"the key has no scope {_WRITE}", "Add it to the key in RetailCRM."
        )
    sites = list(found.sites_available) or sorted(_codes(account, "sites", "sites") or ())
    if site is None and len(sites) > 1:
        raise ConfigError(
            "intake.toml",
            f"{where}.site",
            f"it is missing, and the key reaches {len(sites)} sites: RetailCRM refuses orders that name none",
            f"Write one of: site = {_quoted(sites)}",
        )
    if site is not None and sites and site not in sites:
        raise ConfigError(
            "intake.toml", f"{where}.site", "the key does not reach this site", f"Write one of: site = {_quoted(sites)}"
        )


def _codes(account: Account, path: str, field: str) -> set[str] | None:
    answer = account.get(f"reference/{path}", accept=_MAY_NOT)
    if answer.status in _MAY_NOT:
        return None
    entries = parse(answer.request, lambda: Codes.of(answer.json(), field), Unavailable).entries
    return {entry.code for entry in entries}


def _quoted(sites: Collection[str]) -> str:
    return ", ".join(f'"{site}"' for site in sites)

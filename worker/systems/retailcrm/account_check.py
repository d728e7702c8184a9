"""The check of a RetailCRM account as a target: what its API key may do, its sites, and the codes of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.retailcrm_reference import Codes, Credentials, CustomFields
from worker.errors import ConfigError, Unavailable
from worker.systems.parsing import parse
from worker.systems.retailcrm.account import FORBIDDEN, NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.systems.retailcrm.account import Account
    from worker.systems.retailcrm.options import RetailCRMOptions

_WRITE: Final = "order_write"
#: The most pages of own fields that are read.
_MOST_PAGES: Final = 50
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
            _require(f"targets.{name}.{setting}", codes, _codes(account, path, field))
    if options.custom_map:
        _require(f"targets.{name}.custom_map", options.custom_map.values(), _own_fields(account))


def _require(setting: str, codes: Collection[str], known: set[str] | None) -> None:
    if known is not None and (unknown := sorted(set(codes) - known)):
        raise ConfigError(
            "intake.toml",
            setting,
            f"the account has no code {', '.join(unknown)}, and would refuse orders with it",
            f"Write one of: {', '.join(sorted(known))}" if known else "Add it in RetailCRM.",
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


def _own_fields(account: Account) -> set[str] | None:
    """Return the codes of the account's own fields of orders; None if the key may not read them."""
    codes: set[str] = set()
    for page in range(1, _MOST_PAGES + 1):
        query = [("filter[entity]", "order"), ("limit", "100"), ("page", str(page))]
        answer = account.get("custom-fields", query, _MAY_NOT)
        if answer.status in _MAY_NOT:
            return None
        found = parse(answer.request, lambda: CustomFields.model_validate(answer.json()), Unavailable)  # noqa: B023
        codes |= {entry.code for entry in found.custom_fields}
        if not found.pagination.more:
            return codes
    return None


def _quoted(sites: Collection[str]) -> str:
    return ", ".join(f'"{site}"' for site in sites)

"""The settings by the names that the ledger has for accounts: an account that was renamed keeps its first name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.settings.accounts import Account
    from worker.settings.load import Settings
    from worker.store.registry.registry import AccountKey, Entry, Role

_A = TypeVar("_A", bound="Account")


def under_ledger_names(
    settings: Settings, names: Mapping[tuple[Role, str], str], known: Mapping[AccountKey, Entry]
) -> Settings:
    """Return the settings with each account under its name in the ledger.

    Args:
        settings: The settings as the file has them.
        names: The name in the ledger, by role and name in the file.
        known: The entries of the registry, for the other names that people and producers may still use.
    """
    called: dict[Role, dict[str, str]] = {"provider": {}, "target": {}}
    for (role, ledger_name), entry in known.items():
        called[role] |= dict.fromkeys(entry.names, ledger_name)
    for (role, name), ledger_name in names.items():
        called[role][name] = ledger_name
    update: dict[str, object] = {"provider_names": called["provider"], "target_names": called["target"]}
    if any(name != ledger_name for (_, name), ledger_name in names.items()):
        update |= _renamed(
            settings,
            lambda name: names.get(("provider", name), name),
            lambda name: names.get(("target", name), name),
        )
    return settings.model_copy(update=update)


def _renamed(settings: Settings, provider: Callable[[str], str], target: Callable[[str], str]) -> dict[str, object]:
    routes = [
        route.model_copy(update={"source": provider(route.source), "targets": tuple(map(target, route.targets))})
        for route in settings.routes
    ]
    pairs = tuple((provider(source), target(to)) for source, to in settings.reconcile.pairs)
    quiet = {provider(name): seconds for name, seconds in settings.alarms.quiet.items()}
    receivers = {
        name: receiver.model_copy(
            update={"accounts": tuple(target(provider(account)) for account in receiver.accounts)}
        )
        for name, receiver in settings.alarms.to.items()
    }
    producers = {
        provider(name): producer.model_copy(update={"pushes_for": tuple(map(provider, producer.pushes_for))})
        for name, producer in settings.producers.items()
    }
    return {
        "providers": _under(settings.providers, provider),
        "targets": _under(settings.targets, target),
        "producers": producers,
        "routes": tuple(routes),
        "reconcile": settings.reconcile.model_copy(update={"pairs": pairs}),
        "alarms": settings.alarms.model_copy(update={"quiet": quiet, "to": receivers}),
    }


def _under(accounts: Mapping[str, _A], ledger_name: Callable[[str], str]) -> dict[str, _A]:
    renamed: dict[str, _A] = {}
    for name, account in accounts.items():
        own = f"{account.kind}:{name}"
        scope = f"{account.kind}:{ledger_name(name)}" if account.limit_scope == own else account.limit_scope
        renamed[ledger_name(name)] = account.model_copy(update={"name": ledger_name(name), "limit_scope": scope})
    return renamed

"""The settings compared with the registry of the ledger: which account is which, and what does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from worker.errors import ConfigError
from worker.settings.identity import Declared, declared, difference, merge
from worker.settings.naming import under_ledger_names
from worker.settings.references import former_routes
from worker.store.registry.registry import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from worker.settings.load import Settings
    from worker.store.registry.registry import AccountKey, Entry, Known, Pair


_ELSEWHERE: Final = "name another number at the end of redis.url (redis://host:6379/1), or another server."


@dataclass(slots=True)
class Comparison:
    """The settings by the names of the ledger, and what to write into the registry, or why to refuse."""

    settings: Settings
    known: Known
    problems: list[ConfigError] = field(default_factory=list)
    #: Accounts of the registry that the settings do not have, and that nobody gave up.
    gone: dict[AccountKey, Entry] = field(default_factory=dict)
    #: Entries and templates that the registry lacks, or has otherwise.
    accounts: dict[AccountKey, Entry] = field(default_factory=dict)
    templates: dict[Pair, tuple[Template, ...]] = field(default_factory=dict)


def compare(settings: Settings, known: Known) -> Comparison:
    """Compare the settings with the registry. Pure: nothing is written."""
    names = known_names(known)
    found = [(ledger_key(account, names), account) for account in declared(settings, known.salt)]
    accounts = dict(found)
    absent = {key: entry for key, entry in known.accounts.items() if key not in accounts}
    result = Comparison(settings, known, gone={key: entry for key, entry in absent.items() if not entry.given_up})
    result.problems += _twice(settings, found, accounts)
    for key, account in accounts.items():
        if (entry := known.accounts.get(key)) is None:
            if alias := _known_as(account, absent):
                result.problems.append(_renamed(settings, account, alias))
            result.accounts[key] = account.entry.with_names(key[1], *account.formerly, account.name)
        elif not entry.is_same(account.entry):
            result.problems.append(_changed(settings, account, entry))
        elif (merged := merge(entry, account.entry, name=account.name)) != entry:
            result.accounts[key] = merged
    if result.gone and not known.accounts.keys() & accounts.keys() and not result.problems:
        result.problems.append(_of_others(settings, result.gone))
    ledger_names = {(account.role, account.name): key[1] for key, account in accounts.items()}
    result.settings = under_ledger_names(settings, ledger_names, {**known.accounts, **result.accounts})
    result.templates = dict(_templates(result.settings, known))
    templates = {**known.templates, **result.templates}
    update = {
        "templates": templates,
        "former_routes": tuple(former_routes(result.settings.routes, templates)),
        "absent_targets": tuple(name for role, name in absent if role == "target"),
    }
    result.settings = result.settings.model_copy(update=update)
    return result


def known_names(known: Known) -> dict[AccountKey, str]:
    """Return the name in the keys of the ledger by the role of an account and each name that it had."""
    names: dict[AccountKey, str] = {}
    for (role, ledger_name), entry in known.accounts.items():
        for name in entry.names:
            names.setdefault((role, name), ledger_name)
    return names


def ledger_key(account: Declared, names: Mapping[AccountKey, str]) -> AccountKey:
    """Return the role of the account, and its name in the keys of the ledger: the first one that it had."""
    for name in (account.name, *account.formerly):
        if (account.role, name) in names:
            return account.role, names[account.role, name]
    return account.role, next(iter(account.formerly), account.name)


def _known_as(account: Declared, absent: Mapping[AccountKey, Entry]) -> str:
    """Return the name under which the ledger knows this new account; "" if it does not, or cannot tell."""
    if account.entry.kind == "producer":
        return ""
    for (role, name), entry in absent.items():
        # Of an account that was given up, only the very same one: another site there may be a new one.
        same = entry.parts == account.entry.parts or not entry.given_up
        if role == account.role and same and entry.is_same(account.entry):
            return name
    return ""


def _twice(
    settings: Settings, found: Iterable[tuple[AccountKey, Declared]], accounts: Mapping[AccountKey, Declared]
) -> Iterator[ConfigError]:
    """Refuse two accounts that the ledger knows by one name: the latter took the place of the former in `accounts`."""
    for (role, name), account in found:
        if (other := accounts[role, name].name) != account.name:
            reason = f"the ledger has the orders of {other} under the name {name}"
            remedy = f"Give {account.name} a name that no other {role} had before."
            yield ConfigError(settings.file, account.key, reason, remedy)


def _renamed(settings: Settings, account: Declared, alias: str) -> ConfigError:
    reason = f"this account is not new: the ledger has its orders under the name {alias}, which is not in this file"
    remedy = (
        f"To continue with them: intake rename {alias} {account.name}. If {alias} was another account: intake forget"
        f" {alias}."
    )
    return ConfigError(settings.file, account.key, reason, remedy)


def _changed(settings: Settings, account: Declared, known: Entry) -> ConfigError:
    reason = f"the ledger has the orders of a different account under this name: {difference(known, account.entry)}"
    remedy = (
        f"If it is the same account: intake rename {account.name} {account.name}. If it is another one, give it another"
        f" name. If this Redis is of another installation: {_ELSEWHERE}"
    )
    return ConfigError(settings.file, account.key, reason, remedy)


def _of_others(settings: Settings, gone: Mapping[AccountKey, Entry]) -> ConfigError:
    names = ", ".join(sorted(name for _, name in gone))
    reason = f"this Redis has the orders of other accounts ({names}), and this file names none of them"
    remedy = (
        f"Each installation needs a database of its own: {_ELSEWHERE} If these accounts replace those: "
        f"{', '.join(f'intake forget {name}' for _, name in gone)}."
    )
    return ConfigError(settings.file, "redis.url", reason, remedy)


def _templates(settings: Settings, known: Known) -> Iterator[tuple[Pair, tuple[Template, ...]]]:
    """Yield the templates of each pair whose registry lacks the current one, or a former one that the file names."""
    for route in settings.routes:
        for target in route.targets:
            pair = route.source, target
            before = known.templates.get(pair, ())
            former = [replace(each, until=each.until or known.at) for each in before if each.text != route.reference]
            names = {route.reference, *(each.text for each in former)}
            former += [Template(text, known.at) for text in route.formerly if text not in names]
            now = (Template(route.reference), *former)
            if now != before:
                yield pair, now

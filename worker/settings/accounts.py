"""The tables of accounts: `[providers.NAME]` and `[targets.NAME]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, InstanceOf

from worker.durations import format_duration
from worker.settings.addresses import web_url
from worker.settings.document import NAME, NO_NAME, Document, Key
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.kinds import read_options
from worker.settings.maintenance import Maintenance, Window, windows, zone
from worker.settings.map_files import MappedOptions  # noqa: TC001  # as above
from worker.settings.start import Start  # noqa: TC001  # as above
from worker.settings.tables import SettingError, Table, as_list, fields_of
from worker.store.limits.limit import Limit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from worker.settings.kinds import AdapterKind
    from worker.settings.map_files import MapProblem

#: The default limit of one response body, in bytes: a page of a thousand orders is far smaller.
_MAX_BYTES: Final = 32 * 1024 * 1024
#: Fields of an account that are not keys of its table.
_NOT_KEYS: Final = frozenset({"name", "options", "mapped", "identified_by", "unset"})
_A = TypeVar("_A", bound="Account")


def _limits(value: Any) -> tuple[Limit, ...]:
    """Return one window or several, the shortest first: calls are spaced evenly within it. "none" means no limit."""
    if value == "none":
        return ()
    try:
        limits = [Limit.parse(text) for text in ([value] if isinstance(value, str) else value)]
    except (AttributeError, TypeError, ValueError):
        raise SettingError(
            "is not a limit", 'Write "10/s", "600/m", or several windows: ["10/s", "50000/d"].'
        ) from None
    if not limits or len({limit.period for limit in limits}) < len(limits):
        raise SettingError("needs one limit for each window", 'Write each window once: ["10/s", "50000/d"].')
    return tuple(sorted(limits, key=lambda limit: limit.period))


def _account_url(text: str) -> str:
    if not text:
        raise SettingError("is missing", 'Add url = "https://…", the address of this account.')
    return web_url(text)


class Account(Table):
    """The table of an account: what providers and targets have in common."""

    name: str
    kind: str
    url: Annotated[str, AfterValidator(_account_url)]
    #: The shortest window first.
    limits: Annotated[tuple[Limit, ...], BeforeValidator(_limits), Field(alias="limit")]
    limit_scope: Annotated[str, Field(pattern=r"^[A-Za-z0-9@:._-]{1,80}$")]
    max_bytes: int = Field(default=_MAX_BYTES, ge=65_536)
    maintenance_windows: Annotated[tuple[Window, ...], BeforeValidator(windows), Field(alias="maintenance")] = ()
    maintenance_zone: Annotated[str, AfterValidator(zone)] = "UTC"
    #: The names that the account had before, the first one first (see `worker/settings/registered.py`).
    formerly: Annotated[tuple[Annotated[str, Field(pattern=NAME.pattern)], ...], BeforeValidator(as_list)] = ()
    #: The options that tell it from the other accounts of the kind.
    identified_by: tuple[str, ...] = ()
    #: The keys whose values are not there, for a command that calls no account (see `Document`).
    unset: frozenset[str] = frozenset()
    #: An instance of the kind's own `Options`, secrets resolved, as it was at the start.
    options: BaseModel
    #: The options whose maps stand in files, if there are any.
    mapped: InstanceOf[MappedOptions] | None = None

    @property
    def current_options(self) -> BaseModel:
        """The options with the maps as their files are now: the same object until one changes."""
        return self.options if self.mapped is None else self.mapped.current

    @property
    def map_problems(self) -> list[MapProblem]:
        """The maps that cannot be read now; the last ones that could be read are in use."""
        return [] if self.mapped is None else self.mapped.problems

    @property
    def maintenance(self) -> Maintenance:
        """The windows in which the account is not called."""
        return Maintenance(self.maintenance_windows, self.maintenance_zone)

    @staticmethod
    def defaults(kind: Any) -> dict[str, Any]:
        """Return the keys for which the kind has a default, as the file would write them."""
        return {"url": kind.default_url or "", "limit": kind.default_limit}


class ProviderSettings(Account):
    """One `[providers.NAME]` table; durations in seconds."""

    poll_every: Duration
    #: Orders that were placed earlier are never created. The first poll reads what changed since then.
    start: Start

    @staticmethod
    def defaults(kind: Any) -> dict[str, Any]:
        """Return the keys for which the kind has a default, as the file would write them."""
        return Account.defaults(kind) | {"poll_every": format_duration(kind.default_poll_every)}


class TargetSettings(Account):
    """One `[targets.NAME]` table."""

    #: The most calls at once, over all processes. A limit, or few orders, make them fewer.
    concurrency: int = Field(default=64, ge=1, le=256)
    max_tries: int = Field(default=12, ge=1, le=1000)


def read_accounts(
    document: Document,
    section: str,
    model: type[_A],
    kinds: Mapping[str, AdapterKind],
    readable: Collection[str] = (),
) -> dict[str, _A]:
    """Return the valid accounts of a section by name; `readable` are kinds that can only be providers."""
    accounts: dict[str, _A] = {}
    tables = document.values.get(section, {})
    # An installation may be fed by producers alone.
    if not isinstance(tables, dict) or not (tables or (section == "providers" and document.tables("producers"))):
        document.add_error((section,), "names no account", f"Write a table [{section}.NAME] with its kind.")
        return accounts
    for name, table in tables.items():
        at: Key = (section, name)
        if not NAME.fullmatch(name):
            document.add_error(at, *NO_NAME)
        elif not isinstance(table, dict):
            document.add_error(at, "must be a table", f"Write its keys under [{section}.{name}].")
        elif (kind := table.get("kind")) not in kinds and isinstance(kind, str) and kind in readable:
            remedy = f"It can be a provider only; targets are: {', '.join(sorted(kinds))}."
            document.add_error((*at, "kind"), f"{kind} cannot be a target: its API cannot write orders", remedy)
        elif not isinstance(kind, str) or kind not in kinds:
            reason = "is not known" if "kind" in table else "is missing"
            document.add_error((*at, "kind"), reason, f"Choose from: {', '.join(sorted(kinds))}.")
        elif (account := _account(document, at, table, model, kinds[kind])) is not None:
            accounts[name] = account
    return accounts


def _account(document: Document, at: Key, table: dict[str, Any], model: type[_A], kind: AdapterKind) -> _A | None:
    ours = fields_of(model).keys() - _NOT_KEYS
    options = read_options(document, at, table, ours, kind.Options)
    scope = f"{table['kind']}@{document.address}" if kind.limit_per_address else f"{table['kind']}:{at[1]}"
    values = {"limit_scope": scope, **model.defaults(kind), **{key: table[key] for key in table.keys() & ours}}
    given: dict[str, Any] = {"name": at[1], "options": options or kind.Options.model_construct()}
    given |= {"mapped": document.mapped.get(at), "identified_by": kind.identified_by, "unset": document.unset_in(at)}
    account = document.read(model, values | given, at)
    if account is None or options is None:
        return None
    if "limit" in table:
        _check_limit(document, at, account, kind)
    return account


def _check_limit(document: Document, at: Key, account: Account, kind: AdapterKind) -> None:
    """Check that the limit of an account is at most the one that its system documents."""
    documented = kind.documented_limit
    if documented is None:
        return
    first = account.limits[0] if account.limits else None
    if first is None or first.rate > Limit.parse(documented).rate:
        reason = f"{first or 'none'} is more than {account.kind} allows, which is {documented}"
        document.add_error((*at, "limit"), reason, f'Write limit = "{documented}" or less.')

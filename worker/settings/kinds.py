"""What the settings need of the adapter classes, and the reading of the keys that belong to a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, get_origin

from pydantic import ValidationError

from worker.settings.map_files import MapFile, MappedOptions
from worker.settings.secret_files import FILE
from worker.settings.tables import fields_of, secrets_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel

    from worker.settings.document import Document, Key


class AdapterKind(Protocol):
    """The attributes of a provider or target class that the settings use (see `worker/systems/provider.py`)."""

    @property
    def Options(self) -> type[BaseModel]: ...  # noqa: D102, N802  # the contract's own name
    @property
    def default_url(self) -> str | None: ...  # noqa: D102
    @property
    def default_limit(self) -> str: ...  # noqa: D102
    @property
    def documented_limit(self) -> str | None: ...  # noqa: D102
    @property
    def limit_per_address(self) -> bool: ...  # noqa: D102
    @property
    def identified_by(self) -> tuple[str, ...]: ...  # noqa: D102


class ProviderKind(AdapterKind, Protocol):
    """The further attributes of a provider class that the settings use."""

    @property
    def default_poll_every(self) -> float: ...  # noqa: D102
    @property
    def reference_field(self) -> str | None: ...  # noqa: D102
    @property
    def source_id_within(self) -> str | None: ...  # noqa: D102


class WebhookKind(Protocol):
    """The attributes of a webhook class that the settings use (see `worker/systems/webhook/contract.py`)."""

    @property
    def Options(self) -> type[BaseModel]: ...  # noqa: D102, N802  # the contract's own name
    @property
    def hints_only(self) -> bool: ...  # noqa: D102
    def check_secret(self, secret: str, /) -> None: ...  # noqa: D102


def read_options(
    document: Document, at: Key, table: dict[str, Any], ours: Collection[str], options: type[BaseModel]
) -> BaseModel | None:
    """Return the options of a kind, read from the keys of its table that are not `ours`.

    A map or a secret may stand in a file of its own (`product_map = "file:skus.csv"`). Unknown keys, secrets that stand
    in the settings, and files that cannot be read are noted in the document. Return None for invalid options.
    """
    theirs = fields_of(options).keys()
    table = document.with_secret_files(options, table, at)
    for key in sorted(table.keys() - ours - theirs):
        document.add_unknown((*at, key), {*ours, *theirs})
    for key in sorted(secrets_of(options) & table.keys()):
        if isinstance(table[key], str) and (*at, key) not in document.from_outside:
            document.add_literal_secret((*at, key))
    values = {key: table[key] for key in table.keys() & (theirs - {*ours})}
    files = _map_files(document, options, values)
    if not files:
        return document.read(options, values, at)
    mapped = MappedOptions(".".join(map(str, at)), options, values, files)
    try:
        loaded = mapped.load()
    except ValidationError:
        return document.read(options, {key: value for key, value in values.items() if key not in files}, at)
    document.mapped[at] = mapped
    for problem in () if document.may_lack(at) else mapped.problems:
        document.add_error((*at, problem.key), problem.reason, problem.remedy)
    return loaded


def _map_files(document: Document, options: type[BaseModel], values: dict[str, Any]) -> dict[str, MapFile]:
    """Return the files of the maps among `values`: every option of the type `dict` may stand in one."""
    maps = {key for key, field in fields_of(options).items() if get_origin(field.annotation) is dict}
    return {
        key: MapFile(value, document.folder)
        for key, value in values.items()
        if key in maps and isinstance(value, str) and value.startswith(FILE)
    }

"""What the settings need of the adapter classes, and the reading of the keys that belong to a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from worker.settings.document import fields_of, secrets_of

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


class ProviderKind(AdapterKind, Protocol):
    """The further attributes of a provider class that the settings use."""

    @property
    def default_poll_every(self) -> float: ...  # noqa: D102
    @property
    def reference_field(self) -> str | None: ...  # noqa: D102


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

    Unknown keys and secrets that stand in the file are noted in the document. Return None for invalid options.
    """
    theirs = fields_of(options).keys()
    for key in sorted(table.keys() - ours - theirs):
        document.add_unknown((*at, key), {*ours, *theirs})
    for key in sorted(secrets_of(options) & table.keys()):
        if isinstance(table[key], str) and (*at, key) not in document.from_environment:
            document.add_literal_secret((*at, key))
    return document.read(options, {key: table[key] for key in table.keys() & (theirs - {*ours})}, at)

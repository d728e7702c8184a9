"""What the settings must know of an adapter class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel


class Kind(Protocol):
    """What the settings must know of an adapter class (see `worker/systems/provider.py`)."""

    @property
    def Options(self) -> type[BaseModel]: ...  # noqa: D102, N802  # the contract's own name
    @property
    def default_limit(self) -> str: ...  # noqa: D102
    @property
    def documented_limit(self) -> str | None: ...  # noqa: D102
    @property
    def limit_per_address(self) -> bool: ...  # noqa: D102


class ProviderKind(Kind, Protocol):
    """What the settings must know of a provider's class besides."""

    @property
    def default_poll_every(self) -> float: ...  # noqa: D102
    @property
    def reference_field(self) -> str | None: ...  # noqa: D102

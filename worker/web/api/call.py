"""A call of the API: its path, the role that it needs, and the models of what it takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

    from worker.runtime import Runtime
    from worker.store.console.tokens import Token
    from worker.store.console.users import Role

#: Where the API begins.
ROOT: Final = "/api/v1"


class Problem(Exception):
    """A call is refused: status, a code for programs, and a sentence for people (RFC 9457)."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.errors = dict(headers or {}), list(errors)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: who makes it, and with which values."""

    rt: Runtime
    token: Token
    #: The address that it comes from.
    origin: str
    #: The values of the path.
    values: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    body: Any = None


@dataclass(frozen=True, slots=True)
class Call:
    """One path and method. A call that names no role is refused to everybody."""

    path: str
    method: Literal["GET", "POST"]
    run: Callable[[Asked], Mapping[str, Any]]
    #: One line about it, for the document.
    summary: str
    answer: type[BaseModel]
    role: Role | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    #: The statuses with which it is refused, besides those of every call.
    refusals: tuple[int, ...] = ()

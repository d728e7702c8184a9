"""What a kind of webhook is: how its sender proves itself, which jobs its body makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.settings.producers import Producer


class Refused(Exception):  # becomes an answer, always
    """A request that is answered with an error: its status, a short name of the cause, a reason for the sender.

    The reason holds nothing of what the request said; only the name of the cause is logged.
    """

    def __init__(self, status: int, code: str, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason, self.headers = status, code, reason, dict(headers or {})


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `headers` by names in lower case; `token` is what follows the producer's name in the path."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    token: str = ""


class Sender(ABC):
    """A producer that sends webhooks; pure, but for what it is given."""

    #: Whether the secret may be the last part of the path.
    token_in_path: ClassVar[bool] = False
    #: What is answered besides the number of jobs.
    answer: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, name: str, producer: Producer, tolerance: float) -> None:
        if producer.secret is None:
            raise ValueError("the settings see to it that a producer with a kind has a secret")
        self.name, self.producer, self.tolerance = name, producer, tolerance
        self.secret = producer.secret.get_secret_value()

    @property
    def provider(self) -> str:
        """The provider whose orders the hints of this sender speak of."""
        return self.producer.pushes_for[0]

    @abstractmethod
    def prove(self, call: Call, now: float) -> None:
        """Raise Refused (401) unless the sender proved who it is; `now` is the Unix time."""

    @abstractmethod
    def jobs(self, call: Call) -> list[str]:
        """The jobs in the body of a call that was proved, as JSON texts; raises Refused (400)."""

    @abstractmethod
    def operation(self) -> dict[str, Any]:
        """What OpenAPI says of it: `parameters` and `requestBody`."""

"""The contract of a kind of webhook: how its sender is verified, and which jobs its body makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from worker.settings.tables import SettingError, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from worker.settings.producers import Producer

#: Most jobs in one request.
MAX_JOBS: Final = 10_000
#: The fewest characters of a secret that is the only proof of its sender.
_SHORTEST: Final = 20


class Refused(Exception):  # always becomes a response
    """A request that is refused: the status of the response, a short code for the log, and a reason for the sender.

    The reason repeats nothing of the request. Only the code is logged.
    """

    def __init__(self, status: int, code: str, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason, self.headers = status, code, reason, dict(headers or {})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. The names of `headers` are in lower case; `token` is the path after the producer's name."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    token: str = ""


class Webhook(ABC):
    """The webhooks of one producer. It makes no call, and knows neither Redis nor Celery nor the clock."""

    kind: ClassVar[str]
    #: The kind's own keys of a `[producers.NAME]` table.
    Options: ClassVar[type[BaseModel]] = Table
    #: The bodies only name orders. Each becomes a hint for the one provider that the producer's `for` names.
    hints_only: ClassVar[bool] = False
    #: The sender cannot sign. It sends the secret itself, which may be the last part of the path.
    sends_secret: ClassVar[bool] = False
    #: The fields of the response besides the number of jobs.
    answer: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, name: str, producer: Producer, tolerance: float) -> None:
        if producer.secret is None:
            raise ValueError("the settings see to it that a producer with a kind has a secret")
        self.name, self.producer, self.tolerance = name, producer, tolerance
        self._secret = producer.secret
        former = producer.model_copy(update={"secret": producer.former_secret, "former_secret": None})
        #: The same with the former secret, which its senders may still use.
        self.former = type(self)(name, former, tolerance) if producer.former_secret else None
        self.configure(producer.options)

    @property
    def secret(self) -> str:
        """The producer's secret, which may stand in a file that changes."""
        return self._secret.get_secret_value()

    def configure(self, options: Any) -> None:
        """Take over the producer's own options (an instance of `Options`)."""
        self.options = options

    @classmethod
    def check_secret(cls, secret: str) -> None:
        """Raise SettingError, with the reason and the remedy, for a secret that this kind cannot use."""
        if cls.sends_secret and len(secret) < _SHORTEST:
            reason = f"is shorter than {_SHORTEST} characters, and it is the only proof"
            raise SettingError(reason, "Make it long and random.")

    @property
    def provider(self) -> str:
        """The provider of the orders that the hints name."""
        return self.producer.pushes_for[0]

    def prove_head(self, head: Call, now: float) -> None:
        """Raise Refused (401) if the head of a call, which has no body yet, shows that `prove` would.

        The body of a call is read only after this: a sender without a proof costs next to nothing.
        """
        if self.sends_secret:
            self.prove(head, now)

    @abstractmethod
    def prove(self, call: Call, now: float) -> None:
        """Raise Refused (401) unless the call proves its sender. `now` is the Unix time."""

    @abstractmethod
    def jobs(self, call: Call) -> list[str]:
        """Return the jobs in the body of a proved call as JSON texts. Raise Refused (400) for an invalid body."""

    def signed_at(self, call: Call, jobs: int, now: int) -> list[int]:  # noqa: ARG002  # for kinds that sign a time
        """Return the Unix time at which the sender sent each of the jobs: of a call that is repeated, the first one."""
        return [now] * jobs

    @abstractmethod
    def operation(self) -> dict[str, Any]:
        """Return the `parameters` and the `requestBody` of its OpenAPI operation."""

"""The errors of Intake, sorted by what the caller does next.

::

    IntakeError
    ├── ConfigError            refuse to start; name the file, the key, the reason and the remedy
    ├── SnoozeError            not the fault of the order: wait, and do not count an attempt
    │   ├── RateLimited          our limit or theirs; the scope closes for all workers at once
    │   ├── AuthFailed           an operator must act; the account is paused, no order becomes dead
    │   ├── OutOfTime            the time of the task is over; the next one continues
    │   └── TargetDown           the breaker is open, or the other side is in maintenance
    ├── RetryableError         wait with full jitter, and count an attempt
    │   ├── Unavailable          nothing happened on the other side
    │   │   └── Misdirected        something else than the API answered: a wrong url, a proxy, a maintenance page
    │   └── Uncertain            it may have happened: find before create
    ├── PermanentError         a dead letter, with reason and advice
    │   ├── Malformed            we cannot read what they sent
    │   └── Rejected             they do not accept what we sent
    ├── Held                   an operator must add something (a mapping); the order itself is correct
    ├── StoreFull              Redis has no room: accept nothing, lose nothing, log an error
    │   └── StoreFrozen            Redis takes no write at all: deliveries stand still too
    └── LeaseLost              another worker has the work now: stop, and write nothing

A message never holds a secret or personal data: it can be logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class IntakeError(Exception):
    """Every error that Intake raises on purpose."""

    #: A short, stable name of the cause, for counting and grouping.
    code: str = "error"


class ConfigError(IntakeError):
    """A setting is wrong: Intake does not start.

    Args:
        file: The file that holds the setting, or the environment.
        key: The dotted path of the setting, such as `providers.shop-nl.api_key`.
        reason: What is wrong with the setting.
        remedy: What to write instead.
    """

    code = "config"

    def __init__(self, file: str, key: str, reason: str, remedy: str) -> None:
        super().__init__(f"{file}: {key}: {reason}. {remedy}")
        self.file, self.key, self.reason, self.remedy = file, key, reason, remedy


class SnoozeError(IntakeError):
    """Not the fault of the order: wait `delay` seconds, and do not count an attempt."""

    code = "snoozed"
    #: True if the other side may have done the write despite this error: find before create.
    uncertain: bool = False

    def __init__(self, message: str, delay: float = 1.0) -> None:
        super().__init__(message)
        self.delay = delay


class RateLimited(SnoozeError):
    """Our limit or theirs is reached: the scope is closed for `delay` seconds, for every worker."""

    code = "rate_limited"


class AuthFailed(SnoozeError):
    """The other side does not accept our credentials: an operator must act."""

    code = "auth_failed"

    def __init__(self, message: str, delay: float = 60.0) -> None:
        super().__init__(message, delay)


class TargetDown(SnoozeError):
    """The other side reports that it is unavailable (maintenance), or our breaker is open."""

    code = "target_down"


class OutOfTime(SnoozeError):
    """The time of the task is over: nothing more is sent, and the next task continues."""

    code = "out_of_time"

    def __init__(self, message: str, delay: float = 0.0) -> None:
        super().__init__(message, delay)


class RetryableError(IntakeError):
    """The next attempt may succeed: wait, and count an attempt."""

    code = "retryable"


class Unavailable(RetryableError):
    """Nothing happened on the other side: the connection was refused, or a read failed.

    Args:
        message: What failed, without personal data.
        text: What was sent instead of an answer that can be read. It may hold personal data, so only the ledger keeps
            it.
        answered: Whether the other side answered at all: another question may have an answer.
    """

    code = "unavailable"

    def __init__(self, message: str, *, text: str = "", answered: bool = False) -> None:
        super().__init__(message)
        self.text, self.answered = text, answered


class Misdirected(Unavailable):
    """The call reached something else than the settings name: a wrong url or id, a proxy, or a maintenance page.

    One such answer proves nothing: it may pass. So nothing is paused, and the call is repeated, longer apart each time.
    It counts against an order only while others succeed.
    """

    code = "misdirected"


class Uncertain(RetryableError):
    """The write may have happened on the other side: find the order before creating it again."""

    code = "uncertain"


class PermanentError(IntakeError):
    """The next attempt would fail as well: the order becomes a dead letter, with this reason.

    Args:
        message: What was wrong, without personal data.
        fields: The messages of the other side by field. They may hold personal data, so only the ledger keeps them.
    """

    code = "permanent"

    def __init__(self, message: str, fields: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Malformed(PermanentError):
    """We cannot read what they sent; `field` names the place."""

    code = "malformed"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Rejected(PermanentError):
    """They do not accept what we sent; `fields` holds their message for each field."""

    code = "rejected"


class Held(IntakeError):
    """The order is correct, but we lack a setting (a mapping): hold the order until an operator adds it."""

    code = "held"


class StoreFull(IntakeError):
    """Redis has no room for another order: nothing was written, so nothing may count as read."""

    code = "store_full"

    def __init__(self, message: str, remedy: str = "Check Redis: its memory, its disk, its role.") -> None:
        super().__init__(message)
        #: What an operator can do; Intake recovers automatically after that.
        self.remedy = remedy


class StoreFrozen(StoreFull):
    """Redis takes no write at all now: its disk, its replicas or its role forbid it. Nothing makes room by itself."""

    code = "store_frozen"


class LeaseLost(IntakeError):
    """The lease ended while we worked: another worker has the work, and our writes are refused."""

    code = "lease_lost"

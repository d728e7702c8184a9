"""The errors of Intake, sorted by what the caller does next.

::

    IntakeError
    ├── ConfigError            refuse to start; names file, key, reason, remedy
    ├── SnoozeError            not this order's fault: wait, spend no try
    │   ├── RateLimited          a limit, ours or theirs; closed for all workers at once
    │   ├── AuthFailed           a person must look; the account is paused, nothing is buried
    │   └── TargetDown           breaker open, maintenance
    ├── RetryableError         back off with full jitter, spend a try
    │   ├── Unavailable          nothing happened on the other side
    │   └── Uncertain            it may have happened: find before create
    ├── PermanentError         bury, with reason and advice
    │   ├── Malformed            we cannot read what they sent
    │   └── Rejected             they will not take what we sent
    ├── Held                   a person has to add something (a mapping): keep it aside, it is not wrong
    ├── StoreFull              Redis has no room: accept nothing, lose nothing, say it loudly
    └── LeaseLost              another worker has the work now: put it down, write nothing

A message never holds a secret or personal data: it is safe in a log line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class IntakeError(Exception):
    """Anything Intake raises on purpose."""

    #: A short, stable name of the cause for counting and grouping.
    code: str = "error"


class ConfigError(IntakeError):
    """A setting is wrong: refuse to start.

    Args:
        file: The file the setting stands in, or the environment.
        key: The dotted path of the setting, `providers.shop-nl.api_key`.
        reason: What is wrong with it.
        remedy: What to write instead.
    """

    code = "config"

    def __init__(self, file: str, key: str, reason: str, remedy: str) -> None:
        super().__init__(f"{file}: {key}: {reason}. {remedy}")
        self.file, self.key, self.reason, self.remedy = file, key, reason, remedy


class SnoozeError(IntakeError):
    """Not this order's fault: wait `delay` seconds and spend no try."""

    code = "snoozed"
    #: Set where the answer does not rule out that the write was done: find before create, all the same.
    uncertain: bool = False

    def __init__(self, message: str, delay: float = 1.0) -> None:
        super().__init__(message)
        self.delay = delay


class RateLimited(SnoozeError):
    """A limit is reached, ours or theirs; the scope is closed for `delay` seconds for every worker."""

    code = "rate_limited"


class AuthFailed(SnoozeError):
    """The other side does not accept our credentials: a person must look."""

    code = "auth_failed"

    def __init__(self, message: str, delay: float = 60.0) -> None:
        super().__init__(message, delay)


class TargetDown(SnoozeError):
    """The other side says it is away (maintenance), or our breaker says so."""

    code = "target_down"


class RetryableError(IntakeError):
    """It may work next time: back off, spend a try."""

    code = "retryable"


class Unavailable(RetryableError):
    """Nothing happened on the other side: the connection was refused, or a read failed."""

    code = "unavailable"


class Uncertain(RetryableError):
    """It may have happened on the other side: ask (find) before doing it again (create)."""

    code = "uncertain"


class PermanentError(IntakeError):
    """It will not work next time either: bury it, with the reason.

    Args:
        message: What was wrong, without personal data.
        fields: The other side's own words by field; may hold personal data, so it goes to the ledger only.
    """

    code = "permanent"

    def __init__(self, message: str, fields: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Malformed(PermanentError):
    """We cannot read what they sent; `field` says where."""

    code = "malformed"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Rejected(PermanentError):
    """They will not take what we sent; their field errors are in `fields`."""

    code = "rejected"


class Held(IntakeError):
    """The order is right, but something is missing on our side (a mapping): keep it aside until a person adds it."""

    code = "held"


class StoreFull(IntakeError):
    """Redis has no room for another order: nothing was written, so nothing may count as read."""

    code = "store_full"
    #: What a person can do; all the rest happens without one.
    remedy = "make room in Redis (maxmemory, disk); work goes on by itself"


class LeaseLost(IntakeError):
    """The lease ended while we worked: somebody else has the work, and what we would write is refused."""

    code = "lease_lost"

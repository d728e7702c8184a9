"""The faults of one call, by name, so that a failing example reads like a list of faults."""

from __future__ import annotations

from worker.errors import AuthFailed, RateLimited, TargetDown, Unavailable, Uncertain


class Died(BaseException):
    """Raised where the process is killed. It is not an Exception, which would count as an error of the adapter."""


class _DownUncertain(TargetDown):
    """A maintenance page in response to a write."""

    uncertain = True


#: Faults instead of the effect of a call.
BEFORE = {
    "refused connection": lambda: Unavailable("connection refused"),
    "cut before": lambda: Uncertain("cut"),
    "throttled": lambda: RateLimited("used up", 5.0),
    "down": lambda: TargetDown("maintenance", 5.0),
    "wrong key": lambda: AuthFailed("401", 1.0),
    "killed before": lambda: Died,
}
#: Faults after the effect of a call: its response is lost.
AFTER = {
    "cut after": lambda: Uncertain("cut"),
    "down after": lambda: _DownUncertain("503", 5.0),
    "bug after": lambda: KeyError("id"),
    "killed after": lambda: Died,
}
#: Faults of a write to the target; "": none. "redis lost": while the call is under way.
WRITES = ("", *BEFORE, *AFTER, "redis lost")
#: Faults of a read from the target.
READS = ("", "refused connection", "throttled", "killed before", "killed after", "cancelled meanwhile")
#: Faults of fetching a page or an order from the provider.
FETCHES = (
    "",
    "refused connection",
    "throttled",
    "wrong key",
    "killed before",
    "killed after",
    "redis lost",
    "edited meanwhile",
)
#: Faults of a write to the ledger.
ACCEPTS = ("", "killed before", "killed after", "redis lost before", "redis lost after")

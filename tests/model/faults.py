"""The faults of one call, by name, so that a failing example reads like a list of faults."""

from __future__ import annotations

from worker.errors import AuthFailed, RateLimited, TargetDown, Unavailable, Uncertain

#: Seconds of each wait: far longer than an example runs on a slow machine, and shorter than `model.ground.SHORT`.
WAIT = 500.0


class Died(BaseException):
    """Raised where the process is killed. It is not an Exception, which would count as an error of the adapter."""


class _DownUncertain(TargetDown):
    """A maintenance page in response to a write."""

    uncertain = True


#: Faults instead of the effect of a call.
BEFORE = {
    "refused connection": lambda: Unavailable("connection refused"),
    "cut before": lambda: Uncertain("cut"),
    "throttled": lambda: RateLimited("used up", WAIT),
    "down": lambda: TargetDown("maintenance", WAIT),
    "wrong key": lambda: AuthFailed("401", WAIT),
    "killed before": lambda: Died,
}
#: Faults after the effect of a call: its response is lost.
AFTER = {
    "cut after": lambda: Uncertain("cut"),
    "down after": lambda: _DownUncertain("503", WAIT),
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
#: Faults of a write to the ledger; "forgotten": a replica that has not got it takes over.
ACCEPTS = ("", "killed before", "killed after", "redis lost before", "redis lost after", "forgotten")

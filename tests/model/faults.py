"""What can go wrong at one call, by name, so that a failing example reads like a list of mishaps."""

from __future__ import annotations

from worker.errors import AuthFailed, RateLimited, TargetDown, Unavailable, Uncertain


class Died(BaseException):
    """The process was killed here; an Exception would be taken for the adapter's."""


class _DownUncertain(TargetDown):
    """A maintenance page in answer to a write."""

    uncertain = True


#: Befalls a call in place of what it does.
BEFORE = {
    "refused connection": lambda: Unavailable("connection refused"),
    "cut before": lambda: Uncertain("cut"),
    "throttled": lambda: RateLimited("used up", 5.0),
    "down": lambda: TargetDown("maintenance", 5.0),
    "wrong key": lambda: AuthFailed("401", 1.0),
    "killed before": lambda: Died,
}
#: Befalls a call after it has done what it does: its answer is lost.
AFTER = {
    "cut after": lambda: Uncertain("cut"),
    "down after": lambda: _DownUncertain("503", 5.0),
    "bug after": lambda: KeyError("id"),
    "killed after": lambda: Died,
}
#: What may befall a write to the target; "": nothing. "redis lost": while the call is under way.
WRITES = ("", *BEFORE, *AFTER, "redis lost")
#: What may befall a question to the target.
READS = ("", "refused connection", "throttled", "killed before", "killed after")
#: What may befall a page or an order of the provider.
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
#: Where whoever writes into the ledger may be killed.
ACCEPTS = ("", "killed before", "killed after", "redis lost before", "redis lost after")

"""What each process needs of the settings: it starts without the secrets that only others use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names the process whose secrets an environment holds: `intake run` sets it, and so do the files in deploy/, for the
#: commands that a person runs in a container.
PROCESS: Final = "INTAKE_PROCESS"
_ACCOUNTS: Final = frozenset({"providers", "targets"})
_ALARMS: Final = frozenset({"alarms", "mail"})
_PRODUCERS: Final = frozenset({"producers"})


@dataclass(frozen=True, slots=True)
class Needs:
    """Which values of the settings must be there: by default all of them.

    A variable or a file that is not there is no error in the sections `without`, unless the settings are not valid
    without it, nor for a secret in the sections `unkeyed`. With `nothing`, it is an error nowhere.
    """

    without: frozenset[str] = frozenset()
    unkeyed: frozenset[str] = frozenset()
    nothing: bool = False

    def may_lack(self, section: str) -> bool:
        """Return whether every value of this section may be missing."""
        return self.nothing or section in self.without


EVERYTHING: Final = Needs()
#: For what calls no account and sends no message.
NOTHING: Final = Needs(nothing=True)
#: For what calls accounts: the worker, and the commands that do the same by hand.
CALLS: Final = Needs(without=_PRODUCERS | _ALARMS)
#: For what signs jobs, or verifies webhooks, and does nothing else.
SIGNATURES: Final = Needs(without=_ACCOUNTS | _ALARMS)
#: The accounts themselves count for whoever touches the ledger: which order is whose depends on them.
NEEDS_OF: Final[Mapping[str, Needs]] = {
    "worker": CALLS,
    "listen": Needs(unkeyed=_ACCOUNTS),
    "upkeep": Needs(without=_PRODUCERS, unkeyed=_ACCOUNTS),
    "beat": Needs(without=_PRODUCERS | _ALARMS, unkeyed=_ACCOUNTS),
    "receive": SIGNATURES,
    "web": NOTHING,
    "metrics": NOTHING,
    "flower": NOTHING,
}


def needs_here(environ: Mapping[str, str]) -> Needs:
    """Return what the process needs that this environment is for: everything if it names none.

    Raises:
        ConfigError: There is no such process.
    """
    name = environ.get(PROCESS, "").strip()
    if not name:
        return EVERYTHING
    if name not in NEEDS_OF:
        raise ConfigError("the environment", PROCESS, "is not a process", f"Choose from: {', '.join(NEEDS_OF)}.")
    return NEEDS_OF[name]

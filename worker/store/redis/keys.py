"""The names of the keys in Redis."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneKeys:
    """The keys of one lane; a prefix is followed by an order key or a drain."""

    lane: str
    due: str
    drains: str
    dead: str
    doubt: str
    held: str
    waiting: str
    wake: str
    claims: str
    order: str
    payload: str
    history: str
    took: str

    @classmethod
    def of(cls, target: str) -> LaneKeys:
        """The keys of the lane of `target`."""
        lane = f"intake:lane:{target}"
        return cls(
            lane=lane,
            due=f"{lane}:due",
            drains=f"{lane}:drains",
            dead=f"{lane}:dead",
            doubt=f"{lane}:doubt",
            held=f"{lane}:held",
            waiting=f"{lane}:waiting",
            wake=f"{lane}:wake",
            claims=f"{lane}:claims:",
            order=f"intake:order:{target}:",
            payload=f"intake:payload:{target}:",
            history=f"intake:history:{target}:",
            took=f"{lane}:took",
        )


#: What lies between the scores of fresh orders and those of bulk work in a lane (the same number as in the scripts).
BULK_OFFSET = 2**50

#: When this ledger began, in milliseconds: another one, if Redis was lost meanwhile.
EPOCH = "intake:epoch"
#: Facts about the whole ledger: when the first order was counted.
LEDGER = "intake:ledger"


def cursor(provider: str) -> str:
    """The hash with a provider's cursor and what became of its polls."""
    return f"intake:cursor:{provider}"


def former(provider: str) -> str:
    """What a provider's cursor was before a person moved it, the latest first."""
    return f"intake:cursor:{provider}:former"


def poll(provider: str) -> str:
    """The lease of the poll that runs."""
    return f"intake:poll:{provider}"


def backfill(provider: str) -> str:
    """The hash with the backfill of a provider: its range, its own cursor, what became of it."""
    return f"intake:backfill:{provider}"


def backfilling(provider: str) -> str:
    """The lease of the backfill that runs."""
    return f"intake:backfilling:{provider}"


def malformed(provider: str) -> str:
    """The dead letters of a provider: records that could not be read."""
    return f"intake:malformed:{provider}"


def fetches(provider: str) -> str:
    """The orders of a provider that are to be fetched one by one."""
    return f"intake:fetch:{provider}"


def limit(scope: str) -> str:
    """The state of one limit."""
    return f"intake:limit:{scope}"


def reconciled(provider: str, target: str) -> str:
    """What the last reconciliation of a pair found."""
    return f"intake:reconciled:{provider}:{target}"


def reconciling(provider: str, target: str) -> str:
    """The lease of the reconciliation that runs."""
    return f"intake:reconciling:{provider}:{target}"


def arrivals(provider: str) -> str:
    """When and by what orders of a provider came that nobody had told of before."""
    return f"intake:arrivals:{provider}"


def day(target: str, number: int) -> str:
    """The counters of a target on one day, which is counted from 1970-01-01 (see `day.lua`)."""
    return f"intake:day:{target}:{number}"

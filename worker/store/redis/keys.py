"""The names of the keys in Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The distance between the scores of fresh orders and those of bulk work in a lane (the same number as in the scripts).
BULK_OFFSET: Final = 2**50
#: Milliseconds that the history of a delivered order is kept: 30 days (the same number as in `archive.lua`).
KEEP_HISTORY_MS: Final = 30 * 86_400_000

#: When this ledger began, in milliseconds: a different value means that Redis was lost meanwhile.
EPOCH: Final = "intake:epoch"
#: The server that holds the ledger, and since when it does (see `worker/store/orders/era.lua`).
ERA: Final = "intake:era"
#: Facts about the whole ledger: when the first order was counted. `archive.lua` names the keys of archived orders.
LEDGER: Final = "intake:ledger"
#: The accounts and the reference templates that the orders of this ledger belong to (`worker/store/registry`).
REGISTRY: Final = "intake:registry"
#: What people did (`worker/store/audit.py`), and how many bytes that takes.
AUDIT: Final = "intake:audit"
AUDIT_BYTES: Final = "intake:audit:bytes"


#: The fields of a lane's hash that are texts; all others are whole numbers.
LANE_TEXTS: Final = frozenset({"paused", "probe"})


@dataclass(frozen=True, slots=True)
class LaneKeys:
    """The keys of one lane; `claims` is followed by a drain, `order`, `payload` and `history` by an order key."""

    lane: str
    due: str
    drains: str
    widths: str
    dead: str
    doubt: str
    held: str
    searches: str
    waiting: str
    wake: str
    claims: str
    order: str
    payload: str
    history: str
    took: str
    #: When the oldest undelivered order was accepted, and its key: as of the last sweep.
    oldest: str

    @classmethod
    def of(cls, target: str) -> LaneKeys:
        """Return the keys of the lane of `target`."""
        lane = f"intake:lane:{target}"
        return cls(
            lane=lane,
            due=f"{lane}:due",
            drains=f"{lane}:drains",
            widths=f"{lane}:widths",
            dead=f"{lane}:dead",
            doubt=f"{lane}:doubt",
            held=f"{lane}:held",
            searches=f"{lane}:searches",
            waiting=f"{lane}:waiting",
            wake=f"{lane}:wake",
            claims=f"{lane}:claims:",
            order=f"intake:order:{target}:",
            payload=f"intake:payload:{target}:",
            history=f"intake:history:{target}:",
            took=f"{lane}:took",
            oldest=f"{lane}:oldest",
        )

    @property
    def prefixes(self) -> dict[str, str]:
        """The prefixes of an order's three keys, by their names in the scripts."""
        return {"record_prefix": self.order, "payload_prefix": self.payload, "history_prefix": self.history}


def correction(target: str) -> str:
    """Return the prefix of the corrections of a target's orders; an order key follows (see `correction.lua`)."""
    return f"intake:correction:{target}:"


def corrections(target: str) -> str:
    """Return the sorted set of a target's orders that people corrected."""
    return f"intake:corrections:{target}"


def cursor(provider: str) -> str:
    """Return the hash with a provider's cursor and the results of its polls."""
    return f"intake:cursor:{provider}"


def former(provider: str) -> str:
    """Return the list of a provider's earlier cursors, which a person changed; the latest is first."""
    return f"intake:cursor:{provider}:former"


def poll(provider: str) -> str:
    """Return the lease of the running poll."""
    return f"intake:poll:{provider}"


def backfill(provider: str) -> str:
    """Return the hash with the backfill of a provider: its range, its own cursor, its results."""
    return f"intake:backfill:{provider}"


def backfilling(provider: str) -> str:
    """Return the lease of the running backfill."""
    return f"intake:backfilling:{provider}"


def malformed(provider: str) -> str:
    """Return the hash of a provider's dead letters: records that could not be read."""
    return f"intake:malformed:{provider}"


def fetches(provider: str) -> str:
    """Return the set of a provider's orders that are to be fetched one by one."""
    return f"intake:fetch:{provider}"


def fetch_tries(provider: str) -> str:
    """Return the hash of how often each order to be fetched was not found."""
    return f"intake:fetch:{provider}:tries"


def fetch_places(provider: str) -> str:
    """Return the hash of where the interrupted search for each order to be fetched continues."""
    return f"intake:fetch:{provider}:places"


def left_out(provider: str) -> str:
    """Return the hash of how many orders of a provider no route created, by target and rule."""
    return f"intake:left_out_counts:{provider}"


def left_out_rules(provider: str) -> str:
    """Return the hash of the numbers of these targets and rules."""
    return f"intake:left_out:{provider}:rules"


def left_out_orders(provider: str) -> str:
    """Return the prefix of the hashes of the newest orders that no route created; two hexadecimal digits follow."""
    return f"intake:left_out:{provider}:"


def numbers(provider: str) -> str:
    """Return the sorted set of the pages of a provider's order numbers; a page is "<this name>:<its number>"."""
    return f"intake:numbers:{provider}"


def unknown_statuses(provider: str) -> str:
    """Return the hash of how many orders of a provider had each status that is not understood."""
    return f"intake:unknown_statuses:{provider}"


def limit(scope: str) -> str:
    """Return the hash with the state of one limit."""
    return f"intake:limit:{scope}"


#: The hash of the report of the last reconciliation of each pair, by "PROVIDER TARGET".
RECONCILED: Final = "intake:reconciled"
#: The hash of what it found, in the same form: the first orders of each fault, and the names of their fields.
FINDINGS: Final = "intake:findings"


def reconciling(provider: str, target: str) -> str:
    """Return the lease of the running reconciliation."""
    return f"intake:reconciling:{provider}:{target}"


def arrivals(provider: str) -> str:
    """Return the hash of when new orders of a provider arrived, and what brought them."""
    return f"intake:arrivals:{provider}"


def day(target: str, number: int) -> str:
    """Return the hash with a target's counters of one day, counted from 1970-01-01 (see `day.lua`)."""
    return f"intake:day:{target}:{number}"


def hours(target: str, number: int) -> str:
    """Return the hash with the orders that a target took in and got in each hour of a day (see `day.lua`)."""
    return f"intake:hours:{target}:{number}"


#: The hash of the users of the console, by name.
CONSOLE_USERS: Final = "intake:console:users"
#: The tokens of the API by name: a hash of each, and its role.
CONSOLE_TOKENS: Final = "intake:console:tokens"


def console_session(digest: str) -> str:
    """Return the hash of a session of the console; `digest` is that of the token in the browser's cookie."""
    return f"intake:console:session:{digest}"


def console_session_end(digest: str) -> str:
    """Return the key that exists until the session is over, however much it is used."""
    return f"intake:console:session:{digest}:end"


def console_session_notice(digest: str) -> str:
    """Return the key of what the next page of the session tells its user."""
    return f"intake:console:session:{digest}:notice"


def console_attempts(kind: str, digest: str) -> str:
    """Return the counter of failed attempts to sign in: of a user name or an address."""
    return f"intake:console:attempts:{kind}:{digest}"

"""What a person does to many orders, records or jobs that wait: the command line and the console call the same."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from tasks.dead_records import NO_ID
from tasks.release import release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from worker.operations.waiting import ListName, Waiting
    from worker.runtime import Runtime
    from worker.store.audit import Act
    from worker.store.inbox import Inbox
    from worker.store.letters import Letter
    from worker.store.orders.stuck import Move

Action = Literal["resend", "discard", "release", "drop", "ask", "delivered", "send", "bury"]
#: Rows of one round trip.
_AT_ONCE: Final = 500
#: The moves of orders that are dead or in doubt, by action.
_MOVES: Final[dict[Action, Move]] = {
    "resend": "replay",
    "discard": "discard",
    "ask": "search",
    "delivered": "delivered",
    "send": "send",
    "bury": "bury",
}
#: The actions of each list, with the name in the audit log.
ACTIONS: Final[dict[ListName, dict[Action, str]]] = {
    "dead": {"resend": "dead replay", "discard": "dead discard"},
    "held": {"release": "release", "drop": "release"},
    "in_doubt": {"ask": "doubt ask", "delivered": "doubt resolve", "send": "doubt resolve", "bury": "doubt resolve"},
    "records": {"resend": "dead replay", "discard": "dead discard"},
    "jobs": {"resend": "inbox replay", "discard": "inbox discard"},
}


def move_orders(  # noqa: PLR0913  # a move of these orders, and who decided
    rt: Runtime, act: Act, target: str, move: Move, order_keys: Sequence[str], *, source: str = "by hand"
) -> int:
    """Move stuck orders of one target; return how many were moved: the others have another state by now."""
    act.concerns(order_keys)
    return list(rt.stuck[target].move(move, order_keys, source=source).values()).count("moved")


def release_orders(rt: Runtime, act: Act, target: str, order_keys: Sequence[str], move: Literal["send", "drop"]) -> int:
    """Send held orders of one target, or drop what is held of them; return how many were held."""
    act.concerns(order_keys)
    return release(rt, target, order_keys, move)


def count_records(_: Runtime, __: Act, records: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """Return what `replay_records` would, and change nothing."""
    with_id = [not external_id.startswith(NO_ID) for _, external_id in records]
    return with_id.count(True), with_id.count(False)


def replay_records(rt: Runtime, act: Act, records: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """Read records again, given by provider and id; return how many will be, and how many have no id to ask for."""
    chosen = list(records)
    # No provider can be asked for a record without an id.
    wanted = [each for each in chosen if not each[1].startswith(NO_ID)]
    act.concerns(map(":".join, wanted))
    for provider, external_id in wanted:
        rt.fetches.add(provider, [external_id])  # its dead letter goes when the record could be read
    return len(wanted), len(chosen) - len(wanted)


def discard_records(rt: Runtime, act: Act, records: Iterable[tuple[str, str]]) -> int:
    """Discard unreadable records, given by provider and id; return how many."""
    chosen = list(records)
    act.concerns(map(":".join, chosen))
    for provider, external_id in chosen:
        rt.cursors.drop_letters(provider, [external_id])
    return len(chosen)


def replay_job(inbox: Inbox, letter_id: str, letter: Letter) -> bool:
    """Push a failed job again, and return True; return False if only a part of it is kept."""
    if letter.whole:
        inbox.replay(letter, letter_id)
    return letter.whole


def carry_out(  # noqa: PLR0913  # an action on these rows, and who decided
    rt: Runtime, act: Act, name: ListName, action: Action, rows: Iterable[Waiting], *, source: str
) -> tuple[int, int]:
    """Act on rows of a list; return how many it was done to, and how many not: those have changed meanwhile."""
    done = left = 0
    remaining = iter(rows)
    while batch := list(islice(remaining, _AT_ONCE)):
        count = _RUN[name](rt, act, action, batch, source)
        done, left = done + count, left + len(batch) - count
    act.count(done=done)
    return done, left


def _on_orders(rt: Runtime, act: Act, action: Action, rows: list[Waiting], source: str) -> int:
    by_target: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_target[row.target].append(row.key)
    count = 0
    for target, order_keys in by_target.items():
        if action in _MOVES:
            count += move_orders(rt, act, target, _MOVES[action], order_keys, source=source)
        else:
            count += release_orders(rt, act, target, order_keys, "send" if action == "release" else "drop")
    return count


def _on_records(rt: Runtime, act: Act, action: Action, rows: list[Waiting], _: str) -> int:
    records = [(row.provider, row.key.removeprefix(f"{row.provider}:")) for row in rows]
    return replay_records(rt, act, records)[0] if action == "resend" else discard_records(rt, act, records)


def _on_jobs(rt: Runtime, _: Act, action: Action, rows: list[Waiting], __: str) -> int:
    ids = [row.id for row in rows]
    if action == "discard":
        return rt.inbox.discard(ids)
    return sum(replay_job(rt.inbox, letter_id, letter) for letter_id, letter in rt.inbox.letters(ids).items())


_RUN: Final[dict[ListName, Callable[[Runtime, Act, Action, list[Waiting], str], int]]] = {
    "dead": _on_orders,
    "held": _on_orders,
    "in_doubt": _on_orders,
    "records": _on_records,
    "jobs": _on_jobs,
}

"""The verdict of a soak: the journals decide, then the ledger, the console and the memory have their say."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from soak import plan
from soak.forgotten import LIMITS
from soak.settings import SHOPS, SOURCES
from worker.lab.history.command import judge_folder
from worker.lab.history.routes import Route
from worker.lab.history.verdict import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from soak.ground import Ground

#: Seconds within which a cancellation at a source must be known: polls that fail, and a Redis that forgot it.
NOTICE = 60.0
#: The share of calls that may exceed a limit: the state of the limit is lost with Redis, and calls arrive in bursts.
TOO_SOON = 0.05
#: How much the memory of a process may grow from the second to the last quarter of a soak: a share, and MiB.
GROWTH, LEAST = 0.15, 8.0
#: Samples without which nothing is said: a process that was just started is smaller.
ENOUGH = 120
#: How many orders are named for each fault, so that those that Redis forgot can be recognized.
_NAMED = 1000
#: Roles whose memory grows with the orders.
_GROWS = frozenset({"systems", "valkey", "Redis (data)"})
_RULES = {"crm": frozenset({"updates", "cancels"}), "depot": frozenset[str]()}


def routes() -> list[Route]:
    """Return the routes in the notation of the journals."""
    return [
        Route(("source", name), (target, target), f"{name}:{{id}}", _RULES[target]) for name, target in SOURCES.items()
    ]


def hostile(seed: int, made: Mapping[str, int]) -> set[str]:
    """Return the references of the orders whose records are hostile."""
    return {
        f"{name}:{number}"
        for name in SHOPS
        for number in range(1, made[name] + 1)
        if plan.fate(seed, name, number).what == "hostile"
    }


def by_journals(
    home: Path, excused: set[str], forgotten: Callable[[str, list[str]], set[str]] = lambda *_: set()
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of the history checker, and what it has found.

    `forgotten` returns which orders have one of the faults of `LIMITS` only because Redis forgot them; the figures have
    them apart, by fault.
    """
    judgement, reading = judge_folder(home, routes(), excused, _NAMED, NOTICE)
    problems = [f"damaged journal: {damage}" for damage in reading.damaged]
    figures: dict[str, Any] = {"lines": reading.lines, "orders": 0, "created": 0, "cancelled": 0, "forgotten": {}}
    for target, verdict in judgement.targets.items():
        for name in ("orders", "created", "cancelled"):
            figures[name] += getattr(verdict, name)
        for fault in FAULTS:
            named = getattr(verdict, fault)
            limits = forgotten(fault, named.first) if fault in LIMITS and named.count else set[str]()
            figures["forgotten"].setdefault(fault, []).extend(sorted(limits))
            count = named.count - len(limits)
            figures[fault] = figures.get(fault, 0) + count
            if count:
                first = [name for name in named.first if name not in limits][:5]
                problems.append(f"{target}: {count} {fault}: {', '.join(first)}")
    figures["paces"] = [(pace.system, pace.calls, pace.over) for pace in judgement.paces]
    problems += [
        f"{pace.system}: {pace.over} of {pace.calls} calls beyond the limit"
        for pace in judgement.paces
        if pace.over > max(5, TOO_SOON * pace.calls)
    ]
    return figures, problems


def by_ledger(ground: Ground, seed: int, excused: set[str]) -> list[str]:
    """Return what the ledger has that it should not have, and hostile records that it does not know."""
    problems, known = [], set[str]()
    for name, lane in ground.runtime.lanes.items():
        status = lane.status()
        problems += [f"{status[state]} {state} in {name}" for state in ("dead_now", "in_doubt_now") if status[state]]
        held = [key for key in lane.held_keys() if not _may_be_held(seed, name, key)]
        problems += [f"{len(held)} held in {name}: {', '.join(held[:5])}"] if held else []
    for reference in sorted(excused):
        source, _, number = reference.partition(":")
        entries = list(ground.runtime.ledger.entries([SOURCES[source]], reference))
        letters = {external_id for _, external_id in ground.runtime.cursors.letter_ids([source])}
        if entries or number in letters:
            known.add(reference)
    problems += [f"hostile, and nowhere: {reference}" for reference in sorted(excused - known)[:20]]
    return problems


def _may_be_held(seed: int, target: str, key: str) -> bool:
    """Return whether a person has to decide: the record is hostile, or the target cannot cancel a cancelled order."""
    name, _, number = key.partition(":")
    fate = plan.fate(seed, name, int(number)).what if name in SHOPS else "plain"
    return fate == "hostile" or (target == "depot" and fate.startswith("cancelled"))


def by_memory(samples: list[tuple[int, dict[str, float]]]) -> list[str]:
    """Return the roles whose memory grew from the second to the last quarter of the samples, if there are enough."""
    if len(samples) < ENOUGH:
        return []
    quarter, grown = len(samples) // 4, []
    for role in sorted({role for _, sample in samples for role in sample} - _GROWS):
        early, late = (
            [sample[role] for _, sample in part if role in sample]
            for part in (samples[quarter : 2 * quarter], samples[-quarter:])
        )
        if early and late and median(late) > median(early) * (1 + GROWTH) + LEAST:
            grown.append(f"memory of {role} grew from {median(early):.0f} to {median(late):.0f} MiB")
    return grown


def by_console(answers: Mapping[str, int]) -> list[str]:
    """Return answers of the console that are faults; 503 says that Redis is away."""
    return [f"console: {count} x {answer}" for answer, count in answers.items() if not answer.endswith(("200", "503"))]

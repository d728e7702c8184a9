"""The one screen of `intake status`: what needs a person on top, all else below, 100 columns by 40 rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from worker.cli.status.document import time_of
from worker.cli.times import age, ago, utc_text
from worker.store.health.signs import BEAT, PROCESSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

#: Rows of each part where there are 40 in all.
ROWS: Final = {"needs": 8, "providers": 6, "lanes": 6, "limits": 3, "reasons": 3}


def screen(found: dict[str, Any], rows: dict[str, int] | None = None) -> RenderableType:
    """The snapshot as tables; `rows` is how many each part may have, else as many as there are."""
    limits = rows or {}
    parts: list[RenderableType] = [*_head(found, limits.get("needs")), Text()]
    parts += [*_table(_providers(found), limits.get("providers")), Text()]
    parts += [*_table(_lanes(found), limits.get("lanes")), Text()]
    closed = list(_limits(found))
    if closed:
        parts += [*_table((("Limits", "", ""), closed), limits.get("limits")), Text()]
    if found["dead_by_reason"]:
        parts += [*_table(_reasons(found), limits.get("reasons")), Text()]
    parts.append(_foot(found))
    return Group(*parts)


def _head(found: dict[str, Any], most: int | None) -> Iterator[RenderableType]:
    said = found["attention"]
    many = f"{len(said)} need you" if len(said) != 1 else "1 needs you"
    title = Text.assemble(
        ("Intake  ", "bold"), f"{time_of(found):%Y-%m-%d %H:%M:%S} UTC  ", (Path(found["file"]).name, "dim")
    )
    yield title
    if not said:
        yield Text("Nothing needs you.", style="green")
        return
    yield Text(f"{many}:", style="bold yellow")
    for need in said[:most]:
        yield Text.assemble(("! ", "yellow"), (f"{need['what']}  →  ", "yellow"), (need["command"], "bold"))
    if most is not None and len(said) > most:
        yield Text(f"  … and {len(said) - most} more: intake status --json", style="yellow")


#: Titles, and rows.
Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _table(content: Rows, most: int | None) -> Iterator[RenderableType]:
    (first, *others), rows = content
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    # Only the last one, a text, gives way where a line is too long: a reason is cut, a state goes on below.
    cells = zip((first, *others), *rows[:most], strict=True)
    least = [*[min(22, max(map(len, column))) for column in cells][: len(others)], 0]
    table.add_column(Text(first, style="bold not dim"), no_wrap=True, min_width=least[0], max_width=22)
    for title, width in zip(others, least[1:], strict=True):
        left = title in {"kind", "state", "code", "reason", ""}
        table.add_column(title, justify="left" if left else "right", no_wrap=title != "state", min_width=width)
    for row in rows[:most]:
        table.add_row(*map(Text, row))
    yield table
    if most is not None and len(rows) > most:
        yield Text(f"… and {len(rows) - most} more: intake status --json", style="dim")


def _many(count: int) -> str:
    return f"{count:,}" if count else "-"


def _used(found: dict[str, Any], scope: str) -> str:
    it = found["limits"][scope]
    return f"{it['used']}/{it['allowed']}" if it["allowed"] else "no limit"


def _providers(found: dict[str, Any]) -> Rows:
    titles = ("Providers", "kind", "last read", "cursor at", "behind", "calls/min", "records", "hints", "bad", "state")
    rows: list[tuple[str, ...]] = [
        (
            name,
            it["kind"],
            ago(it["last_success_s"]),
            ago(it["cursor_at_s"]) if it["cursor_at_s"] is not None else "-",
            age(it["lag_s"]),
            _used(found, it["limit"]),
            _many(it["records"]),
            _many(it["hints"]),
            _many(it["malformed"]),
            _provider_state(it),
        )
        for name, it in sorted(found["providers"].items(), key=lambda item: _provider_state(item[1]) == "ok")
    ]
    return titles, rows


def _provider_state(it: dict[str, Any]) -> str:
    if still := _still(it):
        return still
    if it["error"]:
        return "FAILS"
    if it["started_s"] is None:
        return "not read yet"
    if (backfill := it["backfill"]) and backfill["state"] == "running":
        return f"backfill {backfill['read']:.0%}"
    return "reading" if it["walking"] else "ok"


def _still(it: dict[str, Any]) -> str:
    """Why nothing is read or sent on purpose, and for how long."""
    if it.get("paused"):
        return "PAUSED" if it["paused_for_s"] is None else f"PAUSED {age(max(0, it['paused_for_s']))}"
    return f"maintenance {age(it['maintenance_s'])}" if it["maintenance_s"] else ""


def _lanes(found: dict[str, Any]) -> Rows:
    titles = (
        "Lanes",
        "due",
        "in flight",
        "retrying",
        "held",
        "doubt",
        "dead",
        "oldest",
        "delivered",
        "calls/min",
        "state",
    )
    rows: list[tuple[str, ...]] = [
        (
            name,
            _many(it["due"]),
            _many(it["in_flight"]),
            _many(it["retry_later"]),
            _many(it["held_now"]),
            _many(it["in_doubt_now"]),
            _many(it["dead_now"]),
            age(it["oldest_s"]) if it["oldest_s"] else "-",
            _many(it.get("delivered", 0) + it.get("existed", 0)),
            _used(found, it["limit"]),
            _lane_state(it),
        )
        for name, it in sorted(found["lanes"].items(), key=lambda item: _lane_state(item[1]) == "ok")
    ]
    return titles, rows


def _lane_state(it: dict[str, Any]) -> str:
    if still := _still(it):
        return still
    if it["quarantine_s"] and it["queued"]:
        return f"new ledger, sends in {age(it['quarantine_s'])}"
    if it["closed_s"]:
        return f"target down, again in {age(it['closed_s'])}"
    sending = f"{it['drains']} sending" if it["drains"] else "ok"
    return f"{sending}, {_many(it['backfilled'])} of backfill" if it["backfilled"] else sending


def _limits(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The limits of which there is something to say."""
    for name, it in found["limits"].items():
        if it["closed_s"]:
            until = utc_text((found["at"] + it["closed_s"]) * 1000)[11:]
            yield (
                name,
                f"limit {name} is closed for {age(it['closed_s'])} more",
                f"until {until} UTC, as the account asked",
            )
        elif it["slowed"] > 1:
            yield name, f"slowed {it['slowed']:g} times", "it recovers by itself"


def _reasons(found: dict[str, Any]) -> Rows:
    rows: list[tuple[str, ...]] = [
        (it["target"], str(it["count"]), it["code"], it["reason"]) for it in found["dead_by_reason"]
    ]
    return ("Dead, newest 200", "count", "code", "reason"), rows


def _foot(found: dict[str, Any]) -> RenderableType:
    inbox, signs, redis = found["inbox"], found["signs"], found["redis"]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    jobs = f"{inbox['waiting']:,} jobs waiting, {inbox['taken']:,} being taken in, {inbox['dead_now']:,} dead"
    grid.add_row("Inbox", f"{jobs}; taken in so far: {inbox.get('jobs', 0):,} jobs, {inbox.get('hints', 0):,} hints")
    processes = [f"{name.partition(' ')[2]} {ago(it)}" for name, it in signs.items() if name.startswith(PROCESSES)]
    beats = [f"beat {ago(signs[BEAT])}"] if BEAT in signs else []
    listens = [f"{inbox['takers']} listening"] if inbox["takers"] else []
    drains = sum(it["drains"] for it in found["lanes"].values())
    sending = [f"{drains} sending"] if drains else []
    grid.add_row(
        "Processes", " · ".join([*processes, *beats, *listens, *sending]) or "none was seen for a day: intake up"
    )
    did = [f"{name.removeprefix('did ')} {ago(it)}" for name, it in signs.items() if name.startswith("did ")]
    if did:
        grid.add_row("Last done", " · ".join(did))
    if redis:
        memory = f"{redis['used'] / 2**20:,.0f} MB" + (f" of {redis['limit'] / 2**20:,.0f}" if redis["limit"] else "")
        kept = "written to its file" if redis["appends"] else "NOT written to a file as it comes (appendonly no)"
        grid.add_row("Redis", f"{redis['name']} · {memory} · {kept} · {redis['policy']}")
    taken = sum(int(it.get("accepted_new", 0)) for it in found["lanes"].values())
    grid.add_row("Ledger", f"{taken:,} orders taken in, counted by target")
    return grid

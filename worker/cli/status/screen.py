"""The screen of `intake status`: what needs a person on top, the rest below, in 80 columns and 40 rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.text import Text

from worker.cli.display import Table
from worker.durations import count_of
from worker.operations.document import time_of
from worker.operations.left_out import reason_of
from worker.operations.states import lane_state, provider_state
from worker.operations.times import age, ago, utc_text
from worker.store.health.signs import BEAT, PROCESSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

#: The most rows of each part on a terminal of 40 rows.
ROWS: Final = {"needs": 8, "providers": 6, "lanes": 6, "limits": 3, "left_out": 3, "reasons": 3}
#: The columns that a narrow terminal does without, the first one first.
_SPARE: Final = ("hints", "records", "in flight", "kind", "cursor at", "calls/min", "delivered", "oldest")
#: Columns of the last column of a table, which wraps beyond them; and of the space after each of the others.
_LAST: Final = 24
_GAP: Final = 2


def screen(document: dict[str, Any], columns: int, rows: dict[str, int] | None = None) -> RenderableType:
    """Return the document of `status` as tables that fit `columns`.

    `rows` limits the rows of each part; without it, every row is shown.
    """
    limits = rows or {}
    parts: list[RenderableType] = [*_head(document, limits.get("needs")), Text()]
    for name, content in {"providers": _providers, "lanes": _lanes}.items():
        titles, rows_of_part = content(document)
        if rows_of_part:
            table = _narrowed(titles, rows_of_part[: limits.get(name)], columns)
            parts += [*_table(*table, len(rows_of_part)), Text()]
    for name, lines_of in {"limits": _limits, "left_out": _left_out, "reasons": _reasons}.items():
        title, lines = lines_of(document)
        if lines:
            most = limits.get(name)
            # With limited rows, a long reason is cut at the end of its line.
            shown = [Text(line, no_wrap=most is not None, overflow="ellipsis") for line in lines[:most]]
            parts += [Text(title, style="dim"), *shown, *_more(len(lines) - len(shown)), Text()]
    return Group(*parts, _foot(document))


def _head(document: dict[str, Any], most: int | None) -> Iterator[RenderableType]:
    needs = document["attention"]
    yield Text.assemble(
        ("Intake  ", "bold"), f"{time_of(document):%Y-%m-%d %H:%M:%S} UTC  ", (Path(document["file"]).name, "dim")
    )
    if not needs:
        yield Text("Nothing needs attention.", style="green")
        return
    yield Text(
        f"{len(needs)} problems need attention:" if len(needs) != 1 else "1 problem needs attention:",
        style="bold yellow",
    )
    for need in needs[:most]:
        yield Text.assemble(("! ", "yellow"), (f"{need['what']}  →  ", "yellow"), (need["command"], "bold"))
    if most is not None and len(needs) > most:
        yield Text(f"  … and {len(needs) - most} more: intake status --json", style="yellow")


#: The titles of the columns, and the rows.
Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]
#: The title of a list, and its lines.
Lines = tuple[str, list[str]]


def _narrowed(titles: tuple[str, ...], rows: list[tuple[str, ...]], columns: int) -> Rows:
    """Leave out as many columns as needed for the others to fit; neither the first nor the last one."""
    for spare in _SPARE:
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        if sum(widths[:-1]) + min(widths[-1], _LAST) + _GAP * len(widths[1:]) <= columns:
            break
        if spare in titles:
            at = titles.index(spare)
            titles, *rows = (cells[:at] + cells[at + 1 :] for cells in (titles, *rows))
    return titles, rows


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]], total: int) -> Iterator[RenderableType]:
    first, *others = titles
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="dim", pad_edge=False)
    # Only the last column shrinks if a line is too long: a reason is cut, a state wraps.
    cells = zip((first, *others), *rows, strict=True)
    least = [*[min(22, max(map(len, column))) for column in cells][: len(others)], 0]
    table.add_column(Text(first, style="bold not dim"), no_wrap=True, min_width=least[0], max_width=22)
    for title, width in zip(others, least[1:], strict=True):
        left = title in {"kind", "state"}
        table.add_column(title, justify="left" if left else "right", no_wrap=title != "state", min_width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    yield table
    yield from _more(total - len(rows))


def _more(count: int) -> list[Text]:
    return [Text(f"… and {count} more: intake status --json", style="dim")] if count > 0 else []


def _many(count: int) -> str:
    return f"{count:,}" if count else "-"


def _used(document: dict[str, Any], scope: str) -> str:
    limit = document["limits"][scope]
    return f"{limit['used']}/{limit['allowed']}" if limit["allowed"] else "no limit"


def _providers(document: dict[str, Any]) -> Rows:
    return _by_column(
        {
            "Providers": name,
            "kind": provider["kind"],
            "last read": ago(provider["last_success_s"]),
            "cursor at": ago(provider["cursor_at_s"]) if provider["cursor_at_s"] is not None else "-",
            "behind": age(provider["lag_s"]),
            "calls/min": _used(document, provider["limit"]),
            "records": _many(provider["records"]),
            "hints": _many(provider["hints"]),
            "bad": _many(provider["malformed"]),
            "state": provider_state(provider),
        }
        for name, provider in document["providers"].items()
    )


def _by_column(rows: Iterable[dict[str, str]]) -> Rows:
    """Return the titles and the rows of a table of accounts, those that are not well first."""
    ordered = sorted(rows, key=lambda row: row["state"] == "ok")
    return tuple(ordered[0]) if ordered else (), [tuple(row.values()) for row in ordered]


def _lanes(document: dict[str, Any]) -> Rows:
    return _by_column(
        {
            "Lanes": name,
            "due": _many(lane["due"]),
            "in flight": _many(lane["in_flight"]),
            "retrying": _many(lane["retry_later"]),
            "held": _many(lane["held_now"]),
            "doubt": _many(lane["in_doubt_now"]),
            "dead": _many(lane["dead_now"]),
            "oldest": age(lane["oldest_s"]) if lane["oldest_s"] else "-",
            "delivered": _many(lane.get("delivered", 0) + lane.get("existed", 0)),
            "calls/min": _used(document, lane["limit"]),
            "state": lane_state(lane),
        }
        for name, lane in document["lanes"].items()
    )


def _limits(document: dict[str, Any]) -> Lines:
    """Return the limits that are closed or slowed down."""
    lines = []
    for name, limit in document["limits"].items():
        if limit["closed_s"]:
            until = utc_text((document["at"] + limit["closed_s"]) * 1000)[11:]
            lines.append(f"{name}: closed for {age(limit['closed_s'])}, until {until} UTC, as the account requested")
        elif limit["slowed"] > 1:
            lines.append(f"{name}: slowed down {limit['slowed']:g} times; it recovers automatically")
    return "Limits", lines


def _left_out(document: dict[str, Any]) -> Lines:
    """Return the orders that no route creates, by rule."""
    lines = [
        f"{rule['orders']:>6,}  {name} > {rule['target']}: {rule['rule']}: {reason_of(rule['rule'])}"
        for name, provider in document["providers"].items()
        for rule in provider["left_out"]
    ]
    return "Left out by filters", lines


def _reasons(document: dict[str, Any]) -> Lines:
    lines = [
        f"{reason['count']:>6,}  {reason['target']} ({reason['code']}): {reason['reason']}"
        for reason in document["dead_by_reason"]
    ]
    return "Dead orders (newest 200) by reason", lines


def _foot(document: dict[str, Any]) -> RenderableType:
    inbox, signs, redis = document["inbox"], document["signs"], document["redis"]
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    jobs = f"{count_of(inbox['waiting'], 'job')} waiting, {inbox['taken']:,} in progress, {inbox['dead_now']:,} failed"
    done = f"{count_of(inbox.get('jobs', 0), 'job')} and {count_of(inbox.get('hints', 0), 'hint')} accepted"
    grid.add_row("Inbox", f"{jobs}; {done} so far")
    processes = [
        f"{name.partition(' ')[2]} {ago(seconds)}" for name, seconds in signs.items() if name.startswith(PROCESSES)
    ]
    beats = [f"beat {ago(signs[BEAT])}"] if BEAT in signs else []
    listens = [f"{inbox['takers']} listening"] if inbox["takers"] else []
    drains = sum(lane["drains"] for lane in document["lanes"].values())
    sending = [f"{drains} sending"] if drains else []
    grid.add_row("Processes", " · ".join([*processes, *beats, *listens, *sending]) or "none for a day: intake up")
    did = [f"{name.removeprefix('did ')} {ago(seconds)}" for name, seconds in signs.items() if name.startswith("did ")]
    if did:
        grid.add_row("Last done", " · ".join(did))
    if redis:
        memory = f"{redis['used'] / 2**20:,.0f} MB" + (f" of {redis['limit'] / 2**20:,.0f}" if redis["limit"] else "")
        kept = "appendonly yes" if redis["appends"] else "appendonly NO: a restart loses jobs"
        grid.add_row("Redis", f"{redis['name']} · {memory} · {kept} · {redis['policy']}")
    taken = sum(int(lane.get("accepted_new", 0)) for lane in document["lanes"].values())
    grid.add_row("Ledger", f"{count_of(taken, 'order')} accepted, counted per target")
    return grid

"""The lists of what waits for a person: by reason, filtered, exported, and acted on by many at once."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlencode

from worker.durations import parse_duration
from worker.operations.bulk import ACTIONS, Action, carry_out
from worker.operations.cells import csv_lines
from worker.operations.waiting import (
    COLUMNS,
    LISTS,
    ListName,
    Wish,
    as_json,
    count_all,
    group,
    seen,
    select,
    with_summaries,
)
from worker.web.export import csv_file
from worker.web.list_words import ACTION_WORDS, LIST_WORDS, ActionWords, count_rows
from worker.web.page import Page, Refused, missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from worker.operations.waiting import Waiting
    from worker.web.visit import Visit

#: Rows that a page reads for its reasons, rows that it shows, and the most that one act changes.
READ, _SHOWN, MOST = 10_000, 100, 100_000
#: Rows that the page before an act names.
_NAMED: Final = 10
#: The ages that the filter offers: what is sent, and what is shown.
AGES: Final = {"": "any time", "1h": "more than 1 hour", "1d": "more than 1 day", "7d": "more than 7 days"}


#: The criteria of the filter, in a query and in a form.
_CRITERIA: Final = ("account", "older", "group")


def _path(name: str, given: Mapping[str, str]) -> str:
    """Return the path of a list with a filter."""
    query = urlencode({key: given[key] for key in _CRITERIA if given[key]})
    return f"/lists/{name}?{query}" if query else f"/lists/{name}"


def _list(visit: Visit) -> ListName:
    name = visit.values["list"]
    if name not in LISTS:
        raise missing("This list")
    return name


def _wish(visit: Visit, given: Mapping[str, str]) -> Wish:
    """Return the filter of a query or a form. Raise Refused for an account that there is not."""
    account, age = given.get("account", ""), given.get("older", "")
    if account and account not in visit.rt.settings.providers and account not in visit.rt.settings.targets:
        raise missing("This account")
    older = parse_duration(age) if age in AGES and age else None
    return Wish(account=account, group=given.get("group", "")[:12], older=older)


def _show(visit: Visit) -> Response:
    counts = count_all(visit.rt)
    fullest = next((each for each in LISTS if counts[each]), LISTS[0])
    name: ListName = _list(visit) if "list" in visit.values else fullest
    wish = _wish(visit, visit.query)
    rows = sorted(islice(select(visit.rt, name, wish), READ + 1), key=lambda row: row.since)
    query = {key: visit.query.get(key, "") for key in _CRITERIA}
    filtered = any(query.values())
    total = len(rows) if filtered else max(counts[name], len(rows))
    return visit.render(
        "lists.html",
        name=name,
        words=LIST_WORDS,
        counts=counts,
        query=query,
        filtered=filtered,
        link=lambda group: _path(name, query | {"group": group}),
        export=_path(f"{name}/export.csv", query),
        ages=AGES,
        accounts=[*visit.rt.settings.targets, *visit.rt.settings.providers],
        groups=group(rows[:READ]),
        rows=list(with_summaries(visit.rt, rows[:_SHOWN])),
        total=total,
        total_rows=count_rows(name, total),
        unknown=filtered and len(rows) > READ,
        actions=[(action, words) for action, words in ACTION_WORDS[name].items() if visit.may(words.role)],
    )


def _export(visit: Visit) -> Response:
    name = _list(visit)
    rows = with_summaries(visit.rt, select(visit.rt, name, _wish(visit, visit.query)))
    lines = csv_lines(COLUMNS, (as_json(name, row) for row in rows))
    return csv_file(f"intake-{name}.csv", lines)


def _asked(visit: Visit) -> tuple[ListName, Action, ActionWords]:
    name = _list(visit)
    action = cast("Action", visit.values["action"])
    words = ACTION_WORDS[name].get(action)
    if words is None:
        raise missing()
    if not visit.may(words.role):
        text = f"Your role does not allow this. It needs the role {words.role}. Ask an operator for it."
        raise Refused(403, "You may not do this", text)
    return name, action, words


def _act(visit: Visit) -> Response:
    name, action, words = _asked(visit)
    form = {key: visit.entry(key) for key in (*_CRITERIA, "scope")}
    wish, ids = _wish(visit, form), list(visit.entries("id"))
    if form["scope"] != "all":
        wish = Wish(ids=frozenset(ids))
    back = _path(name, form)
    if form["scope"] != "all" and not ids:
        return visit.redirect(back, f"Nothing was done: tick the {LIST_WORDS[name].many} first, or choose all.")
    rows = list(islice(select(visit.rt, name, wish), MOST + 1))
    if len(rows) > MOST:
        raise Refused(409, "That is too much at once", f"At most {MOST:,} at a time: choose an account or a reason.")
    count, now = seen(rows)
    if not visit.entry("seen"):
        shown = list(with_summaries(visit.rt, rows[:_NAMED]))
        question = words.question.format(rows=count_rows(name, count))
        return visit.render(
            "act.html", name=name, action=action, words=words, question=question, count=count, seen=now,
            form=form, ids=ids, rows=shown, groups=group(rows)[:_NAMED], back=back,
        )  # fmt: skip
    if visit.entry("seen") != now:
        before = visit.entry("seen").partition("-")[0]
        text = (
            f"When you looked, {before} matched; now {count} match, or others."
            " Nothing was done. Go back to the list, and look again."
        )
        raise Refused(409, "The list has changed", text)
    return visit.redirect(back, _carry_out(visit, name, action, rows, form))


def _carry_out(visit: Visit, name: ListName, action: Action, rows: list[Waiting], form: Mapping[str, str]) -> str:
    """Act on the rows; return what was done."""
    visit.rt.installation.refuse()
    who = visit.user.name if visit.user else ""
    given = {"list": name, "decision": action, "selected": "all that match" if form["scope"] == "all" else "by hand"}
    given |= {key: form[key] for key in ("account", "older") if form[key]}
    accounts = sorted({row.account for row in rows if row.account})
    with visit.recorded(ACTIONS[name][action], *accounts, **given) as act:
        done, left = carry_out(visit.rt, act, name, action, rows, source=f"by {who}")
    text = f"{count_rows(name, done)} {ACTION_WORDS[name][action].done}."
    return text if not left else f"{text} Skipped: {count_rows(name, left)}, changed meanwhile or without an id."


PAGES: Final = (
    Page("/lists", _show, "viewer", menu="Lists"),
    Page("/lists/{list}", _show, "viewer", menu="Lists"),
    Page("/lists/{list}/export.csv", _export, "viewer"),
    # The role of each action is checked as well.
    Page("/lists/{list}/{action}", _act, "support", "POST", menu="Lists"),
)

"""The lists of what waits for a person, and actions on many rows."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from worker.operations.bulk import ACTIONS, carry_out
from worker.operations.waiting import LISTS, ListName, Wish, as_json, count_all, group, seen, select, with_summaries
from worker.store.audit import Actor, record
from worker.web.api import models
from worker.web.api.call import Asked, Call, Problem
from worker.web.list_words import ACTION_WORDS

if TYPE_CHECKING:
    from worker.operations.waiting import Waiting

#: The most rows that one call reads or changes.
_MOST: Final = 100_000


def _sizes(asked: Asked) -> dict[str, Any]:
    return {"lists": [{"list": name, "count": count} for name, count in count_all(asked.rt).items()]}


def _name(asked: Asked) -> ListName:
    name = asked.values["list"]
    if name not in LISTS:
        raise Problem(404, "list_unknown", f"There is no such list. There are: {', '.join(LISTS)}.")
    return name


def _rows(asked: Asked, name: ListName, wish: Wish) -> list[Waiting]:
    settings = asked.rt.settings
    if wish.account and wish.account not in settings.providers and wish.account not in settings.targets:
        raise Problem(404, "account_unknown", "There is no such provider or target.")
    rows = list(islice(select(asked.rt, name, wish), _MOST + 1))
    if len(rows) > _MOST:
        raise Problem(409, "too_many", f"More than {_MOST} match. Choose an account or a reason.")
    return rows


def _show(asked: Asked) -> dict[str, Any]:
    name, query = _name(asked), cast("models.ListQuery", asked.query)
    rows = _rows(asked, name, Wish(account=query.account, reason=query.reason, older=query.older))
    count, now = seen(rows)
    reasons = [
        {"count": each.count, "account": each.row.account, "code": each.row.code, "reason": each.reason}
        for each in group(rows)
    ]
    shown = [as_json(name, row) | {"id": row.id} for row in with_summaries(asked.rt, rows[: query.limit])]
    return {"count": count, "seen": now, "reasons": reasons, "rows": shown}


def _act(asked: Asked) -> dict[str, Any]:
    name, body = _name(asked), cast("models.ListAction", asked.body)
    words = ACTION_WORDS[name].get(body.action)
    if words is None:
        raise Problem(409, "action", f"Rows of this list have the actions {', '.join(ACTION_WORDS[name])}.")
    if not asked.token.may(words.role):
        raise Problem(403, "role", f"This action needs the role {words.role}.")
    if bool(body.ids) == bool(body.seen):
        raise Problem(409, "selection", "Name rows by `ids`, or all that match by `seen`.")
    wish = Wish(ids=frozenset(body.ids), account=body.account, reason=body.reason, older=body.older)
    rows = _rows(asked, name, wish)
    count, now = seen(rows)
    if body.seen and body.seen != now:
        raise Problem(409, "changed", f"The list has changed: {count} match now. Nothing was done. Read it again.")
    asked.rt.installation.refuse()
    actor = Actor(asked.token.name, "api", asked.origin)
    accounts = sorted({row.account for row in rows if row.account})
    given = {"list": name, "decision": body.action, "selected": "all that match" if body.seen else "by id"}
    with record(asked.rt.redis, actor, ACTIONS[name][body.action], accounts=accounts, given=given) as act:
        done, left = carry_out(asked.rt, act, name, body.action, rows, source=f"by {asked.token.name}")
    return {"done": done, "left": left + len(body.ids) - count if body.ids else left}


CALLS: Final = (
    Call("/lists", "GET", _sizes, "Count what waits for a person", models.Lists, role="viewer"),
    Call(
        "/lists/{list}", "GET", _show, "Show what waits in a list, by reason", models.Rows,
        role="viewer", query=models.ListQuery, refusals=(404, 409),
    ),
    Call(
        "/lists/{list}/actions", "POST", _act, "Act on rows of a list", models.Acted,
        role="support", body=models.ListAction, refusals=(404, 409),
    ),
)  # fmt: skip

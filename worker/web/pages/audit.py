"""The audit log: who did what, when, and on which orders; filtered and exported."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from worker.operations.audit_words import (
    COLUMNS,
    AuditWish,
    audit_as_json,
    detail_text,
    result_text,
    select_audit,
    who_text,
)
from worker.operations.cells import csv_lines
from worker.web.export import csv_file
from worker.web.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.store.audit import AuditRecord
    from worker.web.visit import Visit

#: The criteria of the filter, the most characters of each, and the records of a page.
_CRITERIA: Final = ("who", "what", "order")
_LONGEST, _SHOWN = 300, 100
#: The orders that a record names on the page.
_NAMED: Final = 3


def _wish(visit: Visit, before: int | None = None) -> AuditWish:
    who, what, order = (visit.query.get(name, "").strip()[:_LONGEST] for name in _CRITERIA)
    actor = f"*{who}*" if who and "*" not in who else who
    return AuditWish(before=before, order=order, actor=actor, what=what)


def _path(visit: Visit, path: str, **more: object) -> str:
    given = {name: visit.query.get(name, "") for name in _CRITERIA} | more
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{path}?{query}" if query else path


def _row(found: AuditRecord) -> dict[str, Any]:
    return {
        "at": found.at,
        "who": who_text(found.actor),
        "action": found.action,
        "accounts": found.accounts,
        "orders": found.orders[:_NAMED],
        "more": max(0, len(found.orders) - _NAMED) + found.more_orders,
        "result": result_text(found),
        "failed": found.outcome != "done",
        "detail": detail_text(found),
    }


def _show(visit: Visit) -> Response:
    given = visit.query.get("before", "")
    before = int(given) if given.isascii() and given.isdigit() and len(given) < 16 else None  # noqa: PLR2004  # Unix ms
    found = list(islice(select_audit(visit.rt, _wish(visit, before)), _SHOWN + 1))
    more = len(found) > _SHOWN
    return visit.render(
        "audit.html",
        rows=[_row(each) for each in found[:_SHOWN]],
        query={name: visit.query.get(name, "")[:_LONGEST] for name in _CRITERIA},
        filtered=any(visit.query.get(name) for name in _CRITERIA),
        begun=before is None,
        older=_path(visit, "/audit", before=found[_SHOWN].at + 1) if more else "",
        newest=_path(visit, "/audit"),
        export=_path(visit, "/audit/export.csv"),
    )


def _export(visit: Visit) -> Response:
    records = select_audit(visit.rt, _wish(visit))
    return csv_file("intake-audit.csv", csv_lines(COLUMNS, map(audit_as_json, records)))


PAGES: Final = (
    # Names and addresses of colleagues, and what they wrote as a reason, are for operators.
    Page("/audit", _show, "operator", menu="Audit"),
    Page("/audit/export.csv", _export, "operator"),
)

"""What needs a person, with the page where it can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from worker.store.console.users import Role
    from worker.web.visit import Visit

#: By the kind of a judgement: the label of its button, the path, and the role it needs. `{subject}` is the account, or
#: a pair of them.
ACTIONS: Final[dict[str, tuple[str, str, Role]]] = {
    "orders_died": ("See them", "/lists/dead?account={subject}", "viewer"),
    "orders_held": ("See them", "/lists/held?account={subject}", "viewer"),
    "orders_in_doubt": ("See them", "/lists/in_doubt?account={subject}", "viewer"),
    "records_unreadable": ("See them", "/lists/records?account={subject}", "viewer"),
    "jobs_refused": ("See them", "/lists/jobs", "viewer"),
    "reconcile_found": ("See them", "/compared/{subject}", "viewer"),
    "lane_paused": ("Resume it", "/targets/{subject}/pause", "operator"),
    "provider_paused": ("Resume it", "/providers/{subject}/pause", "operator"),
}


def with_actions(visit: Visit, needs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what needs a person, each with the label and the path of its button, if this user has one."""
    return [need | {"button": _button(visit, need)} for need in needs]


def _button(visit: Visit, need: dict[str, Any]) -> tuple[str, str] | None:
    label, path, role = ACTIONS.get(need["name"], ("", "", "viewer"))
    return (label, path.format(subject=need["subject"].replace(" > ", "/"))) if label and visit.may(role) else None

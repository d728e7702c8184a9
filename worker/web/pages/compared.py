"""What the last comparison of a provider with a target found: by fault, and each single difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.errors import IntakeError
from worker.reconcile.one import Compared, compare_one
from worker.reconcile.report import FAULTS
from worker.web.page import Page, Refused, missing
from worker.web.words import STATES

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.web.visit import Visit

#: By fault: what it is called, and what it means.
WORDS: Final = {
    "missing": ("Missing", "The target does not have them, although it should."),
    "doubled": ("Duplicated", "The target has them more than once."),
    "different": ("Different", "The target has other content than the shop."),
    "extra": ("Extra", "The target has them, and the shop does not."),
    "unreadable": ("Unreadable", "One of the sides shows a record that cannot be read."),
    "edited": ("Edited in the target", "People changed them there. These changes are kept, and are not a fault."),
}

#: The fields of a finding that may be left out.
_EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys(("key", "reference", "state", "remedy"), ""),
    **dict.fromkeys(("target_ids", "fields"), ()),
}


def _pair(visit: Visit) -> tuple[str, str, dict[str, Any]]:
    """Return the pair of the path, and its last report."""
    provider, target = visit.values["provider"], visit.values["target"]
    report = visit.rt.reports.read(provider, target)
    if report is None or provider not in visit.rt.settings.providers or target not in visit.rt.settings.targets:
        raise missing("This comparison")
    return provider, target, report | {"findings": [_EMPTY | each for each in report["findings"]]}


def _show(visit: Visit) -> Response:
    provider, target, report = _pair(visit)
    groups = []
    for fault, (label, meaning) in WORDS.items():
        found = [each for each in report["findings"] if each["fault"] == fault]
        count = report["counts"].get(fault, 0)
        if count:
            groups.append({"label": label, "meaning": meaning, "count": count, "found": found})
    clean = not any(report["counts"].get(fault) for fault in FAULTS)
    return visit.render(
        "compared.html", provider=provider, target=target, report=report, groups=groups, clean=clean, states=STATES
    )


def _finding(visit: Visit, report: dict[str, Any]) -> dict[str, Any]:
    key = visit.values["key"]
    found: dict[str, Any] | None = next((each for each in report["findings"] if each.get("key") == key), None)
    if found is None:
        raise missing("This difference")
    return found


def _one(visit: Visit, compared: Compared | None = None) -> Response:
    provider, target, report = _pair(visit)
    found = _finding(visit, report)
    label, meaning = WORDS[found["fault"]]
    state = STATES.get(found.get("state", ""), ("", ""))[0]
    return visit.render(
        "difference.html", provider=provider, target=target, report=report, found=found, label=label, meaning=meaning,
        state=state, compared=compared, key=visit.values["key"],
    )  # fmt: skip


def _values(visit: Visit) -> Response:
    """Read both sides now, and show the values that differ: they are kept nowhere."""
    provider, target, report = _pair(visit)
    found, unset = _finding(visit, report), visit.rt.settings.unset
    for account in (f"providers.{provider}.", f"targets.{target}."):
        if any(key.startswith(account) for key in unset):
            text = (
                f"The console has no credentials for {account.split('.')[1]}. An operator can see the values:"
                f" intake reconcile {provider} {target} --since 7d --values"
            )
            raise Refused(409, "Both sides cannot be read from here", text)
    known = visit.rt.ledger.entries([target], visit.values["key"])
    target_id = (known[0].record.get("target_id", "") if known else "") or next(iter(found.get("target_ids", ())), "")
    external_id = visit.values["key"].partition(":")[2]
    try:
        compared = compare_one(visit.rt, provider, target, external_id, target_id)
    except IntakeError as error:
        raise Refused(409, "Both sides cannot be read now", str(error)) from None
    return _one(visit, compared)


PAGES: Final = (
    Page("/compared/{provider}/{target}", _show, "viewer", menu="Accounts"),
    Page("/compared/{provider}/{target}/{key:path}", _one, "viewer", menu="Accounts"),
    Page("/compared/{provider}/{target}/{key:path}", _values, "support", "POST", menu="Accounts"),
)

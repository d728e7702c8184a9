"""Correct and resend: an operator fixes what a target refused, without touching the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.changes import Changes
from schemas.corrections import Correction, NoCorrection, check, corrected, digest_of, fields_of, full_path, public_name
from schemas.order import Order
from worker.operations.requests import Previews
from worker.store.orders import payload
from worker.store.orders.corrections import NewCorrections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.operations.requests import RequestPreview
    from worker.runtime import Runtime
    from worker.store.orders.corrections import Change, Stored

#: Why an order in this state cannot be corrected, and what to do.
_REFUSED: Final = {
    "delivered": "{key} is delivered to {target}: correct it there, or at its source",
    "in_doubt": "{key} may be in {target}, which has to be settled first. Next: intake doubt ask {target}",
    "withdrawn": "{key} was withdrawn before it was sent to {target}: it is cancelled, or no route creates it",
    "claimed": "{key} is being sent to {target} at this moment. Next: run the command again in a minute",
    "discarded": "{key} was discarded, and is not sent to {target} unless it changes at its source",
}
#: What happens to an order whose correction was undone, by its state.
_UNDONE: Final = {
    "dead": "It stays dead. Next: intake dead replay {key} --target {target}",
    "held": "It stays held. Next: intake release {target} {key}",
    "queued": "It is sent with the values of its source",
}


class CorrectionRefused(Exception):
    """The order, or the field, cannot be corrected; the message says why and what to do, and has no value."""


@dataclass(frozen=True, slots=True)
class Correctable:
    """An order of one target, and its corrections."""

    key: str
    target: str
    record: Mapping[str, str]
    #: What the source says; None if it is delivered, and its content no longer kept.
    order: Order | None
    stored: Stored

    @property
    def sent(self) -> Order | None:
        """The order as it is sent now."""
        return self.order and corrected(self.order, self.stored.by_field).order


@dataclass(frozen=True, slots=True)
class Planned:
    """The corrections of an order as they are to be, and the order as it would be sent with them."""

    found: Correctable
    #: The fields that are corrected, or whose correction is undone.
    fields: tuple[str, ...]
    new: NewCorrections
    order: Order | None

    @property
    def names(self) -> str:
        """The fields as a history and a log name them."""
        return _names(self.fields)


def find_correctable(rt: Runtime, key: str, target: str) -> Correctable:
    """Return an order with its corrections; raise CorrectionRefused for an unknown one."""
    entries = rt.ledger.entries([target], key)
    if not entries:
        raise CorrectionRefused(f"{target} has no order {key}. Next: intake show {key}")
    [stored] = rt.ledger.corrections.of(target, [key])
    text = rt.stuck[target].payload(key)
    order = None if text is None else Order.model_validate_json(text)
    return Correctable(key, target, entries[0].record, order, stored)


def plan_correction(rt: Runtime, found: Correctable, values: Mapping[str, str], by: str) -> Planned:
    """Return the plan to set these fields; raise CorrectionRefused if that is not possible.

    Args:
        rt: The runtime.
        found: The order.
        values: The new values by field ("shipping_address.postal_code", "lines.KEY.sku"); "" empties a field.
        by: The name of the person, for the history.
    """
    order = _require_open(found)
    texts, now = fields_of(order), rt.cursors.now()
    by_field = dict(found.stored.by_field)
    paths: list[str] = []
    try:
        for name, value in values.items():
            path = full_path(order, name)
            check(order, path, value)
            by_field[path] = Correction(value, digest_of(order, path, texts[path]), now, by)
            paths.append(path)
    except NoCorrection as refused:
        raise CorrectionRefused(str(refused)) from None
    sent = corrected(order, by_field).order
    if sent == found.sent:
        raise CorrectionRefused(f"{found.key} already has these values: there is nothing to correct")
    _require_route(rt, found, order, sent)
    return _planned(rt, found, tuple(paths), by_field, f"corrected {_names(paths)} by {by}", resend=True)


def plan_undo(rt: Runtime, found: Correctable, names: Sequence[str], by: str) -> Planned:
    """Return the plan to undo corrections, so that the source counts again. Raise CorrectionRefused without one."""
    if found.record["state"] == "claimed":
        raise CorrectionRefused(_REFUSED["claimed"].format(key=found.key, target=found.target))
    by_field = dict(found.stored.by_field)
    paths = [_undoable(found, name) for name in names]
    for path in paths:
        del by_field[path]
    return _planned(rt, found, tuple(paths), by_field, f"correction undone: {_names(paths)} by {by}", resend=False)


def _names(paths: Sequence[str]) -> str:
    return ", ".join(map(public_name, paths))


def _undoable(found: Correctable, name: str) -> str:
    if name in found.stored.by_field:
        return name
    ending = [path for path in found.stored.by_field if name.startswith("lines.") and _short(path) == name]
    if len(ending) == 1:
        return ending[0]
    fields = ", ".join(found.stored.by_field) or "none"
    raise CorrectionRefused(f"{name} of {found.key} is not corrected in {found.target}; corrected fields: {fields}")


def _short(path: str) -> str:
    """Return "lines.sku" for "lines.KEY.sku"."""
    return f"lines.{path.rpartition('.')[2]}"


def _require_open(found: Correctable) -> Order:
    """Return what the source says of an order that can be corrected; raise CorrectionRefused for another one."""
    words, record = {"key": found.key, "target": found.target}, found.record
    if reason := _REFUSED.get(record["state"]):
        raise CorrectionRefused(reason.format(**words))
    if record.get("code") == "transform":
        text = "{key} is held by its transform: change the transform first. Next: intake release {target} {key}"
        raise CorrectionRefused(text.format(**words))
    if record.get("left_out"):
        raise CorrectionRefused(f"{found.key} is not to be created in {found.target}: {record['left_out']}")
    if found.order is None:
        raise CorrectionRefused(f"{found.key} has no content waiting for {found.target}")
    return found.order


def _require_route(rt: Runtime, found: Correctable, order: Order, sent: Order) -> None:
    """Raise CorrectionRefused if the routes would not create the order with the new values."""
    routes = [each for each in rt.settings.routes if each.source == order.provider and found.target in each.targets]
    if not routes:
        raise CorrectionRefused(f"there is no longer a route from {order.provider} to {found.target}")
    decide = not any(route.transform for route in routes) and "done" not in found.record
    if decide and any(route.accepts(order) for route in routes) and not any(route.accepts(sent) for route in routes):
        raise CorrectionRefused(
            f"no route from {order.provider} to {found.target} accepts {found.key} with these values"
        )


def _planned(  # noqa: PLR0913  # the parts of a plan
    rt: Runtime,
    found: Correctable,
    paths: tuple[str, ...],
    by_field: Mapping[str, Correction],
    event: str,
    *,
    resend: bool,
) -> Planned:
    source = found.record.get("corrected") or found.record["fingerprint"]
    order = found.order and corrected(found.order, by_field).order
    fingerprint = payload.write(order).fingerprint if by_field and order else source
    new = NewCorrections(
        seen=found.stored,
        seen_fingerprint=found.record["fingerprint"],
        seen_state=found.record["state"],
        by_field=by_field,
        fingerprint=fingerprint,
        source=source,
        change=_change(rt, found),
        event=event,
        resend=resend,
    )
    return Planned(found, paths, new, order)


def _change(rt: Runtime, found: Correctable) -> Change:
    provider = found.key.partition(":")[0]
    leads = found.target in rt.settings.targets_of(provider)
    updates = leads and rt.targets[found.target].updates and rt.on_change(provider, found.target) == "update"
    return "update" if updates else "hold"


def carry_out(rt: Runtime, planned: Planned) -> str:
    """Write the corrections; return what happens next. Raise CorrectionRefused if the order moved meanwhile."""
    found, words = planned.found, {"key": planned.found.key, "target": planned.found.target}
    state = rt.ledger.corrections.write(found.target, found.key, planned.new)
    if state in {"", "changed"}:
        raise CorrectionRefused(f"{found.key} changed meanwhile, and nothing was done. Next: run the command again")
    if state == "claimed":
        raise CorrectionRefused(_REFUSED["claimed"].format(**words))
    if planned.new.resend:
        if state == "held":
            return "It stays held ({detail}). Next: intake release {target} {key}".format(
                **words, detail=found.record.get("detail", "")
            )
        return f"The next sweep sends it to {found.target}"
    return _UNDONE.get(state, "{target} keeps what it has until the source is read again").format(**words)


def preview(rt: Runtime, planned: Planned) -> list[RequestPreview]:
    """Return the requests that would be sent first; reads are sent. Raise what the target has against the order."""
    found, order = planned.found, planned.order
    if order is None:
        return []
    target, reference = rt.targets[found.target], found.record["reference"]
    previews = Previews([rt.settings.targets[found.target].options])
    if "done" not in found.record:
        return previews.stopped_writes(found.target, lambda: target.create(order, reference))
    sent_fields = bytes.fromhex(rt.ledger.standing(found.target, found.key).sent_fields)
    changes, target_id = Changes.between(sent_fields, order), found.record.get("target_id", "")
    return previews.stopped_writes(found.target, lambda: target.change(order, reference, target_id, changes))

"""Find an order by its key, its id or number at the provider, its reference in a target, or the id of the target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Final

from worker.errors import IntakeError
from worker.reconcile.sides import Sides, read_one
from worker.store.orders.held_data import HeldData
from worker.systems.references import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from worker.runtime import Runtime
    from worker.settings.routes import Route
    from worker.store.feeds.left_out import Remembered
    from worker.store.orders.held_data import Part, Place
    from worker.store.orders.ledger import Entry

#: The field of a reference from which an order key can be made.
_ID: Final = "external_id"
#: Orders of each provider that are listed for the beginning of a number.
_MOST_BEGINNING: Final = 20


def keys_of(rt: Runtime, name: str) -> dict[str, str]:
    """Return the order keys that `name` may stand for, each with the reason. The order of a key may be unknown."""
    keys: dict[str, str] = {name: "the order key"} if ":" in name else {}
    for source in _sources(rt):
        keys.setdefault(f"{source}:{name}", f"the id at {source}")
    for found in rt.numbers.find(_sources_ever(rt), name):
        keys.setdefault(f"{found.provider}:{found.external_id}", f"the number at {found.provider}")
    for source, orders in rt.left_outs.find_by_display_id(_sources(rt), name).items():
        for each in orders:
            keys.setdefault(f"{source}:{each.external_id}", f"the number at {source}")
    for target, key in rt.target_ids.find(_targets_ever(rt), name.strip()):
        keys.setdefault(key, f"the id in {target}")
    decoded = {target: decode(name, adapter.alphabet) for target, adapter in rt.targets.items()}
    for route in rt.settings.all_routes:
        # Most targets of a route write references alike: each spelling is compared once.
        references = {
            text: target for target in reversed(route.targets) if target in decoded for text in (decoded[target], name)
        }
        for reference, target in references.items():
            for key in _by_reference(route, reference):
                keys.setdefault(key, f"the reference in {target}")
    return keys


def keys_beginning(rt: Runtime, text: str) -> dict[str, str]:
    """Return the keys of some orders whose number begins with `text`, each with the reason."""
    return {
        f"{found.provider}:{found.external_id}": f"the number {found.number} at {found.provider}"
        for found in rt.numbers.find_by_beginning(_sources_ever(rt), text, _MOST_BEGINNING)
    }


def keys_asked(rt: Runtime, target_id: str) -> Iterator[tuple[str, str]]:
    """Ask each target that can be read for an order with this id of its own; yield the order keys with the reason.

    A target that cannot be reached is left out.
    """
    for name in rt.settings.targets:
        routes = [route for route in rt.settings.all_routes if name in route.targets]
        polled = next((route.source for route in routes if route.source in rt.settings.providers), None)
        if polled is None:
            continue
        sides = Sides(rt, polled, name, 1.0)
        try:
            order = read_one(sides.reader, target_id) if sides.reader else None
        except IntakeError:
            continue
        finally:
            sides.close()
        reference = sides.reference_of(order) if order else None
        for route in routes if reference else ():
            for key in _by_reference(route, decode(reference or "", sides.target.alphabet)):
                yield key, f"the id in {name}"


def find_by_email(rt: Runtime, email: str, place: Place, seconds: float) -> tuple[list[FoundOrder], Part]:
    """Return orders with this e-mail address whose data is still held, and how far the search is.

    The address is personal data: only support and operators may search for one, and it must stay out of addresses and
    logs.
    """
    part = HeldData(rt.redis, rt.cursors, _sources_ever(rt), _targets_ever(rt)).search(email, place, seconds)
    return look_up(rt, dict.fromkeys(part.keys, "the e-mail address")), part


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """All that is known of one key; false if nothing is."""

    key: str
    #: What the key was found by: "the id at shop".
    found_by: str
    entries: list[Entry]
    #: Why its record could not be read.
    unreadable: dict[str, str] | None
    #: When it is to be fetched (Unix milliseconds), and how often it was not found.
    hint: tuple[int, int] | None
    #: Why no route creates it, for targets whose ledger does not know it.
    left_out: list[Remembered]

    def __bool__(self) -> bool:
        return bool(self.entries or self.unreadable or self.hint or self.left_out)


def find_orders(rt: Runtime, name: str, *, ask: bool = False) -> list[FoundOrder]:
    """Return the orders that `name` stands for; if there are none, those whose number begins with it.

    With `ask`, the targets are asked as well, if it is an id of theirs: one call to each.
    """
    found = look_up(rt, keys_of(rt, name)) or look_up(rt, keys_beginning(rt, name))
    return look_up(rt, dict(keys_asked(rt, name))) if ask and not found else found


def look_up(rt: Runtime, names: Mapping[str, str]) -> list[FoundOrder]:
    """Return what is known of these keys, each with the reason for it; a few round trips for all of them."""
    reasons: dict[tuple[str, str], str] = {}
    for name, found_by in names.items():
        provider, _, external_id = name.partition(":")
        reasons.setdefault((rt.settings.ledger_provider(provider), external_id), found_by)
    orders, keys = list(reasons), [":".join(order) for order in reasons]
    entries = rt.ledger.entries_of(_targets_of(rt, orders))
    facts = zip(rt.cursors.letters_of(orders), rt.fetches.find(orders), rt.left_outs.find_all(orders), strict=True)
    found: list[FoundOrder] = []
    for key, found_by, (unreadable, hint, remembered) in zip(keys, reasons.values(), facts, strict=True):
        known = {entry.target for entry in entries.get(key, ())}
        left_out = [each for each in remembered if each.target not in known]
        found.append(FoundOrder(key, found_by, entries.get(key, []), unreadable, hint, left_out))
    return [order for order in found if order]


def _targets_of(rt: Runtime, orders: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return by target the keys of those orders (provider and external id) that it may have: by a route of any time."""
    pairs = dict.fromkeys(rt.settings.templates)
    pairs |= {(provider, target): None for target in rt.settings.absent_targets for provider, _ in orders}
    targets: dict[str, list[str]] = {}
    for provider, target in pairs:
        targets.setdefault(provider, []).append(target)
    keys: dict[str, list[str]] = {}
    for provider, external_id in orders:
        for target in targets.get(provider, ()):
            keys.setdefault(target, []).append(f"{provider}:{external_id}")
    return keys


def not_found(rt: Runtime, name: str, *, asked: bool) -> str:
    """Return the message for a name that stands for no order: what was searched."""
    templates = ", ".join(sorted({f'"{route.reference}"' for route in rt.settings.routes}))
    message = (
        f"no order {name} is known. Searched: order keys (provider:external_id), ids, numbers and beginnings of"
        f" numbers at {', '.join(_sources(rt))}, references ({templates}), unreadable records, orders to be fetched,"
        f" ids of delivered orders in {', '.join(rt.settings.targets)}, and the newest orders that a filter leaves out"
    )
    if asked:
        return f"{message}; the targets were searched, too."
    return f"{message}. The targets were not searched. Next: intake show {name} --ask"


def _sources(rt: Runtime) -> list[str]:
    return list(dict.fromkeys([*rt.settings.providers, *rt.settings.producers]))


def _sources_ever(rt: Runtime) -> list[str]:
    """Return the sources, and those that are not in the settings any more and had a route."""
    return list(dict.fromkeys([*_sources(rt), *(provider for provider, _ in rt.settings.templates)]))


def _targets_ever(rt: Runtime) -> list[str]:
    """Return the targets, and those that are not in the settings any more and had a route."""
    return list(dict.fromkeys([*rt.settings.targets, *(target for _, target in rt.settings.templates)]))


def _by_reference(route: Route, reference: str) -> Iterator[str]:
    """Yield the key of the order to which this route gives this reference, if the reference contains the order's id."""
    pattern = ""
    for literal, name, _, _ in Formatter().parse(route.reference.replace("{provider}", route.source)):
        group = "" if name is None else f"(?P<{name}>.+)" if f"<{name}>" not in pattern else f"(?P={name})"
        pattern += re.escape(literal) + group
    match = re.fullmatch(pattern, reference)
    if match and _ID in match.groupdict():
        yield f"{route.source}:{match[_ID]}"

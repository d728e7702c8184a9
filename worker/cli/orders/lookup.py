"""Which order a person means: by its key, its id at the provider, what a target knows it by, or the target's own id."""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Final

from worker.errors import IntakeError
from worker.reconcile.sides import Sides, read_one
from worker.systems.references import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Runtime
    from worker.settings.routes import Route

#: The ids of which an order key can be made.
_ID: Final = "external_id"


def keys_of(rt: Runtime, said: str) -> dict[str, str]:
    """The order keys that may be meant, each with how; whether they are known has to be looked up."""
    found: dict[str, str] = {said: "the order key"} if ":" in said else {}
    for name in _sources(rt):
        found.setdefault(f"{name}:{said}", f"the id at {name}")
    for route in rt.settings.routes:
        for target in route.targets:
            for reference in {said, decode(said, rt.targets[target].alphabet)}:
                for key in _by_reference(route, reference):
                    found.setdefault(key, f"the reference in {target}")
    return found


def keys_there(rt: Runtime, said: str) -> Iterator[tuple[str, str]]:
    """The order keys of the orders that the targets have under this id of theirs; asks each that can be read.

    A target that does not answer is left out.
    """
    for name in rt.settings.targets:
        routes = [route for route in rt.settings.routes if name in route.targets]
        polled = next((route.source for route in routes if route.source in rt.settings.providers), None)
        if polled is None:
            continue
        sides = Sides(rt, polled, name, 1.0)
        try:
            order = read_one(sides.reader, said) if sides.reader else None
        except IntakeError:
            continue
        finally:
            sides.close()
        reference = sides.reference_of(order) if order else None
        for route in routes if reference else ():
            for key in _by_reference(route, decode(reference or "", sides.target.alphabet)):
                yield key, f"the id in {name}"


def searched(rt: Runtime, said: str, *, asked: bool) -> str:
    """What was looked for, for a person who finds nothing."""
    templates = ", ".join(sorted({f'"{route.reference}"' for route in rt.settings.routes}))
    told = (
        f"no order {said} is known here. Searched as an order key (a key is provider:external_id, providers: "
        f"{', '.join(_sources(rt))}), as an id at each of them, as a reference ({templates}),"
        " among the records that could not be read, and among what is to be fetched"
    )
    if asked:
        return f"{told}, and in the targets by their own ids."
    return f"{told}. Not searched: the targets' own ids; they are asked with --ask."


def _sources(rt: Runtime) -> list[str]:
    return [*rt.settings.providers, *(it for it in rt.settings.producers if it not in rt.settings.providers)]


def _by_reference(route: Route, reference: str) -> Iterator[str]:
    """The key of the order that this route gives this reference; none where it is not made of the order's id."""
    pattern = ""
    for literal, name, _, _ in Formatter().parse(route.reference.replace("{provider}", route.source)):
        group = "" if name is None else f"(?P<{name}>.+)" if f"<{name}>" not in pattern else f"(?P={name})"
        pattern += re.escape(literal) + group
    found = re.fullmatch(pattern, reference)
    if found and _ID in found.groupdict():
        yield f"{route.source}:{found[_ID]}"

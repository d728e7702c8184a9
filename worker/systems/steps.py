"""The steps of a call of an adapter that can take longer than a task has time: the next call continues after them.

An adapter that notes no steps begins again. What it noted is kept for ten minutes: it is a place in a list that
changes, the number of writes that were done, or what was read of one record.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

from worker.jsontext.decoding import decode_text
from worker.jsontext.encoding import text_of
from worker.jsontext.fragments import Fragment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


#: The most characters of what was read of one record (see `Gathered`): more is read again.
_LARGEST: Final = 2**20


class Steps:
    """The steps of one call: `place` is what the adapter noted last; "" before the first one.

    It holds personal data only in a call that reads one record (see `Gathered`).
    """

    def __init__(self, place: str = "") -> None:
        self.place = place


_STEPS: Final[ContextVar[Steps | None]] = ContextVar("steps", default=None)


@contextmanager
def continued(steps: Steps) -> Iterator[Steps]:
    """Let the call in this block continue at the place of `steps`, and note there where it stops."""
    token = _STEPS.set(steps)
    try:
        yield steps
    finally:
        _STEPS.reset(token)


def current_place() -> str:
    """Return where this call continues; "" if it begins anew."""
    steps = _STEPS.get()
    return steps.place if steps else ""


def note_place(place: str) -> None:
    """Note that this call may continue at `place`."""
    if (steps := _STEPS.get()) is not None:
        steps.place = place


class Counted:
    """Counts the steps of a call that writes `content`, which may be a text or anything that JSON can hold.

    Steps of other content do not count: the order changed since.
    """

    def __init__(self, content: object) -> None:
        text = json.dumps(content, sort_keys=True, default=str)
        self._digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        self._done: dict[str, int] = {}
        self._counts = True
        known = _read(current_place())
        if known.pop("of", None) == self._digest:
            self._done = known

    @property
    def began(self) -> bool:
        """Whether a call with the same content stopped after its first step."""
        return bool(self._done)

    def restart(self) -> None:
        """Count from the first step: what was done is gone."""
        self._done.clear()

    def stop(self) -> None:
        """Count no more: what follows has to be done again, because the present step failed."""
        self._counts = False

    def rest(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield those of the items, which come in the same order each time, that were not done before.

        An item is done when the next one is requested.
        """
        done = self._done.get(name, 0)
        for number, item in enumerate(items, 1):
            if number > done:
                yield item
                if not self._counts:
                    continue
                self._done[name] = number
                note_place(json.dumps({"of": self._digest, **self._done}))


class Gathered:
    """What several answers return for one record: a call that is interrupted continues after the last of them.

    `place` is where the call continues; "" to begin anew.
    """

    def __init__(self, place: str = "") -> None:
        self._known = _unpacked(place)

    def of(self, state: str) -> None:
        """Forget what was gathered of another state of the record: it has changed since."""
        if self._known.get("of") != state:
            self._known = {"of": state}

    @property
    def began(self) -> bool:
        """Whether a list of this state was read in part at least."""
        return len(self._known) > 1

    def items(self, name: str) -> tuple[dict[str, dict[str, Any]], int, bool]:
        """Return what was read of a list by the ids of its items, on how many pages, and whether more follow."""
        items, pages, more = self._known.get(name, ({}, 0, True))
        return dict(items), int(pages), bool(more)

    def keep(self, name: str, items: dict[str, dict[str, Any]], pages: int, *, more: bool) -> None:
        """Keep what was read of a list."""
        self._known[name] = items, pages, more

    def note(self) -> None:
        """Note that the call may continue with what was gathered, unless it is nothing, too large or broken."""
        lists = [value[0].values() for name, value in self._known.items() if name != "of"]
        if not lists or any(isinstance(item, Fragment) for items in lists for item in items):
            return
        place = b64encode(zlib.compress(text_of(self._known).encode())).decode()
        if len(place) <= _LARGEST:
            note_place(place)


def _unpacked(place: str) -> dict[str, Any]:
    try:
        known = decode_text(zlib.decompress(b64decode(place)).decode()) if place else {}
    except (ValueError, zlib.error):
        return {}
    return known if isinstance(known, dict) else {}


def _read(place: str) -> dict[str, Any]:
    try:
        known = json.loads(place or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
